/** Says in a sentence what an instance waits for or why it does not move, and what would move it. */
import { inWords } from '../../model/duration.ts';
import type { AskedBy, Explanation, ExplanationFacts, Reason, Suggestion } from '../../model/explanation.ts';
import { isTerminal, type OrchestrationInstance } from '../../model/instance.ts';
import { deadWorker, nameOf, openReasons, reason, type LiveFacts } from './explain-reasons.ts';

/** A turn that nobody has taken for so long, with workers that run its name, is no matter of milliseconds any more. */
const patienceMs = 10_000;
const mostReasons = 20;
const recordedWithinMs = 60_000;

export function explainInstance(facts: ExplanationFacts): Explanation {
  const { instance, obstacles } = facts;
  const { instanceId, name, runtimeStatus } = instance;
  const at = new Date(
    obstacles?.now ?? Math.max(instance.lastUpdatedAt.getTime(), instance.completedAt?.getTime() ?? 0),
  );
  const reasons = (obstacles === undefined ? endReasons(facts) : liveReasons({ ...facts, obstacles })).slice(
    0,
    mostReasons,
  );
  const first = reasons[0] ?? reason('nothing-known', 'nothing is known that keeps it; look again in a moment');
  const all = reasons.length === 0 ? [first] : reasons;
  return {
    instanceId,
    name,
    runtimeStatus,
    kind: first.kind,
    sentence: sentenceOf(instance, all, at.getTime()),
    since: first.since,
    until: first.until,
    reasons: all,
    suggestions: suggestionsOf(instance, all),
    at,
  };
}

function endReasons({ instance, askedBy: recorded }: ExplanationFacts): readonly Reason[] {
  const { runtimeStatus, failure, output, completedAt } = instance;
  const about = { since: completedAt?.getTime() ?? null };
  const askedBy = besideIt(recorded, completedAt?.getTime());
  switch (runtimeStatus) {
    case 'Failed': {
      const what = failure === null ? 'an error' : `${failure.errorType}: ${failure.message}`;
      return failure?.errorType === 'PoisonInstance'
        ? [reason('poisoned', `it was given up, because running it ended its workers again and again (${what})`, about)]
        : [reason('failed', `it failed with ${what}`, about)];
    }
    case 'Terminated':
    case 'Canceled': {
      const by = askedBy === undefined ? '' : ` by ${askedBy.actor}`;
      return [
        reason('terminated', `it was terminated${by}${output === null || output === '' ? '' : `: ${output}`}`, about),
      ];
    }
    default:
      return [reason('completed', 'it has completed', about)];
  }
}

function liveReasons(facts: LiveFacts): readonly Reason[] {
  const { instance, obstacles } = facts;
  const { owner, readySince } = obstacles;
  if (instance.runtimeStatus === 'Suspended') {
    const event = instance.history?.findLast(({ type }) => type === 'ExecutionSuspended');
    const askedBy = besideIt(facts.askedBy, event?.timestamp);
    const why = askedBy?.reason ?? (event !== undefined && 'reason' in event ? event.reason : undefined);
    const by = askedBy === undefined ? '' : ` by ${askedBy.actor}`;
    const text = `it was suspended${by}${why === null || why === undefined || why === '' ? '' : ` (${why})`}`;
    const since = event?.timestamp ?? askedBy?.at.getTime() ?? null;
    return [reason('suspended', text, { since }), ...openReasons(facts)];
  }
  const startAt = instance.scheduledStartAt?.getTime();
  if (instance.runtimeStatus === 'Pending' && startAt !== undefined && startAt > obstacles.now) {
    const since = instance.createdAt.getTime();
    return [reason('scheduled-start', 'its start is scheduled', { since, until: startAt }), ...nobody(facts, null)];
  }
  if (owner !== null && !owner.isLive) {
    return [...nobody(facts, owner.expiresAt), deadWorker(owner, 'had it', { since: readySince })];
  }
  if (readySince === null && instance.runtimeStatus !== 'Pending') return openReasons(facts);
  const since = readySince ?? instance.createdAt.getTime();
  if (owner !== null) {
    const text = `worker ${nameOf(owner)} runs its next turn`;
    return [reason('turn-running', text, { since, worker: owner })];
  }
  const missing = nobody(facts, since);
  if (missing.length > 0) return missing;
  if (obstacles.now - since < patienceMs) {
    return [reason('turn-queued', 'its next turn waits for a worker to take it', { since })];
  }
  const { name, version } = instance;
  const served = version === null ? 'its code' : `version '${version}' of it`;
  const text = `its next turn waits although live workers run '${name}': they are all busy, or none of them serves ${served}`;
  return [reason('not-taken', text, { since, subject: name })];
}

/** A record of another time is about another time that it happened: what is done to many at once names no instance. */
function besideIt(askedBy: AskedBy | undefined, happenedAt: number | undefined): AskedBy | undefined {
  if (askedBy === undefined || happenedAt === undefined) return undefined;
  return Math.abs(askedBy.at.getTime() - happenedAt) <= recordedWithinMs ? askedBy : undefined;
}

/** When no live worker can run it. */
function nobody({ instance, obstacles }: LiveFacts, since: number | null): readonly Reason[] {
  const about = { since, subject: instance.name };
  if (obstacles.isListed) return [];
  return obstacles.liveWorkers === 0
    ? [reason('no-worker', 'no worker of its task hub lives', about)]
    : [reason('unregistered-name', `no live worker runs orchestrations of the name '${instance.name}'`, about)];
}

/** `'order-17' (OrderOrchestrator) is Running: it waits for … for 2h 5m, at most until …, and …`. */
function sentenceOf(instance: OrchestrationInstance, reasons: readonly Reason[], now: number): string {
  const { instanceId, name, runtimeStatus } = instance;
  const [first, ...others] = reasons;
  const parts = [first, ...others.slice(0, 2)]
    .filter((one) => one !== undefined)
    .map((one) => withTimes(one, runtimeStatus, now));
  const more = others.length > 2 ? `, and ${others.length - 2} more` : '';
  const ended = isTerminal(runtimeStatus) ? first?.since : null;
  const since = ended instanceof Date ? ` since ${ended.toISOString()}` : '';
  // The message of an error may be a sentence itself.
  return `'${instanceId}' (${name}) is ${runtimeStatus}${since}: ${`${parts.join('; ')}${more}`.replace(/\.$/, '')}.`;
}

function withTimes(
  { text, since, until, kind }: Reason,
  status: OrchestrationInstance['runtimeStatus'],
  now: number,
): string {
  const from =
    since === null || isTerminal(status) || kind === 'timer' || kind === 'retry' || kind === 'scheduled-start'
      ? ''
      : `, for ${inWords(now - since.getTime())} (since ${since.toISOString()})`;
  if (until === null) return `${text}${from}`;
  const left = until.getTime() - now;
  return `${text}${from}, until ${until.toISOString()}${left > 0 ? ` (in ${inWords(left)})` : ''}`;
}

function suggestionsOf(instance: OrchestrationInstance, reasons: readonly Reason[]): readonly Suggestion[] {
  const id = quoted(instance.instanceId);
  const all = reasons.flatMap((one) => suggestionsFor(one, id));
  const seen = new Map(all.map((suggestion) => [suggestion.command, suggestion]));
  return [...seen.values()].slice(0, 5);
}

function suggestionsFor({ kind, subject }: Reason, id: string): readonly Suggestion[] {
  const named = quoted(subject ?? '');
  switch (kind) {
    case 'completed':
      return [{ command: `perdure restart ${id}`, effect: 'starts the same orchestration with the same input' }];
    case 'failed':
    case 'poisoned':
      return [{ command: `perdure rewind ${id}`, effect: 'runs what failed again, once its cause is mended' }];
    case 'terminated':
      return [{ command: `perdure restart ${id}`, effect: 'starts it anew with the same input' }];
    case 'suspended':
      return [{ command: `perdure resume ${id}`, effect: 'lets it go on' }];
    case 'event':
      return [
        {
          command: `perdure raise-event ${id} ${subject === null ? '<event>' : named} --data <json>`,
          effect: 'sends the event',
        },
      ];
    case 'no-worker':
    case 'unregistered-name':
      return [{ command: 'perdure start <module>', effect: `starts a worker that runs ${named}` }];
    case 'not-taken':
      return [{ command: 'perdure doctor', effect: 'looks at workers and backlog' }];
    case 'dead-worker':
      return [{ command: 'perdure doctor', effect: 'shows dead workers; a live one takes over by itself' }];
    case 'sub-orchestration':
      return [{ command: `perdure explain ${named}`, effect: 'says what the sub-orchestration waits for' }];
    case 'entity-lock':
    case 'entity-operation':
      return [{ command: `perdure entities ${named}`, effect: 'shows the entity and who has it locked' }];
    case 'activity-running':
    case 'activity-queued':
    case 'turn-running':
      return [{ command: `perdure history ${id}`, effect: 'shows what it did so far' }];
    case 'scheduled-start':
    case 'timer':
    case 'retry':
      return [{ command: `perdure wait ${id}`, effect: 'waits; it goes on by itself' }];
    case 'turn-queued':
    case 'nothing-known':
      return [{ command: `perdure explain ${id}`, effect: 'looks again' }];
  }
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
