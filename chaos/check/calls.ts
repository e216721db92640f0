/** What callers were told, against what is there: I1 - I5, I12 - I15, I20, I24. */
import { groupBy } from '../group-by.ts';
import type { Evidence, InstanceRecord, PlanItem, Sighting } from '../types.ts';
import { isEntity, turnsOf, type Check, type Lookup } from './lookup.ts';

type Found = Iterable<{ readonly id: string; readonly proof: string }>;

const final = ['Completed', 'Failed', 'Terminated'];

function* startsExist(lookup: Lookup): Found {
  for (const id of lookup.items.keys()) {
    const [start] = lookup.calls(id, ['start', 'contend'], ['ok']);
    if (start === undefined || lookup.wasPurged(id) || lookup.instance(id) !== undefined) continue;
    yield { id, proof: `its start was acknowledged by ${start.node} at ${start.answeredAt}, no row has its id` };
  }
}

function* nothingUnasked(lookup: Lookup): Found {
  for (const { id, parentKey, key } of lookup.evidence.tables.instances) {
    if (isEntity(id) || lookup.calls(id, ['start', 'contend'], ['ok', 'unknown']).length > 0) continue;
    const parent = parentKey === null ? undefined : lookup.byKey.get(parentKey);
    const scheduled = parent?.history.some(
      (event) => event.type === 'SubOrchestrationInstanceCreated' && event.instanceId === id,
    );
    if (scheduled !== true)
      yield { id, proof: `instance ${key} was neither started by a call nor scheduled by a parent` };
  }
}

function* startedOnce(lookup: Lookup): Found {
  for (const [id, instances] of lookup.byId) {
    if (instances.length > 1) yield { id, proof: `${instances.length} instances have this id` };
    for (const { history, key } of instances) {
      const starts = history.filter(({ type }) => type === 'ExecutionStarted').length;
      if (history.length > 0 && !isEntity(id) && starts !== 1) {
        yield { id, proof: `${starts} ExecutionStarted in the history of ${key}` };
      }
    }
    const winners = lookup.calls(id, ['contend'], ['ok']);
    if (winners.length > 1) yield { id, proof: `${winners.length} of several starts of one id were acknowledged` };
  }
}

/** The numbers that a cart returned. */
function numbersOf(item: PlanItem, instance: InstanceRecord | undefined): readonly number[] | undefined {
  if (item.name !== 'Cart' || instance?.status !== 'Completed' || instance.output === null) return undefined;
  return JSON.parse(instance.output) as readonly number[];
}

function* eventsKept(lookup: Lookup): Found {
  for (const [id, item] of lookup.items) {
    const instance = lookup.instance(id);
    if (instance === undefined) continue;
    const numbers = numbersOf(item, instance);
    if (numbers?.some((value, index) => index > 0 && value < (numbers[index - 1] ?? 0)) === true) {
      yield { id, proof: `its events were taken in the order ${numbers.join(' ')}` };
    }
    for (const raise of lookup.calls(id, ['raise'], ['ok'])) {
      const kept =
        numbers === undefined ? isIn(raise, instance, lookup.evidence) : numbers.includes(Number(raise.data));
      if (!kept)
        yield {
          id,
          proof: `event ${raise.event ?? ''} ${raise.data ?? ''}, acknowledged at ${raise.answeredAt}, is lost`,
        };
    }
  }
}

function isIn(
  raise: { readonly event?: string; readonly data?: string },
  { history, key, status }: InstanceRecord,
  { tables }: Evidence,
): boolean {
  // A cart that has not completed: its earlier executions have no history any more; its output decides when it ends.
  if (raise.event === 'Item' && status !== 'Completed') return true;
  return (
    history.some((event) => event.type === 'EventRaised' && event.name === raise.event && event.input === raise.data) ||
    tables.messages.some((row) => row.key === key && row.event.includes(`"name":"${raise.event ?? ''}"`))
  );
}

function* eventsSent(lookup: Lookup): Found {
  for (const [id, item] of lookup.items) {
    const instance = lookup.instance(id);
    const raises = lookup.calls(id, ['raise'], ['ok', 'unknown']);
    const taken: readonly { readonly name: string; readonly input?: string }[] =
      numbersOf(item, instance)?.map((value) => ({ name: 'Item', input: JSON.stringify(value) })) ??
      (instance?.history ?? []).flatMap((event) => (event.type === 'EventRaised' ? [event] : []));
    for (const [text, copies] of groupBy(taken, ({ name, input }) => `${name} ${input ?? ''}`)) {
      const sent = raises.filter(({ event, data }) => `${event ?? ''} ${data ?? ''}` === text);
      const keys = new Set(sent.flatMap(({ key }) => (key === undefined ? [] : [key])));
      const allowed = keys.size + sent.filter(({ key }) => key === undefined).length;
      if (copies.length > allowed)
        yield { id, proof: `event ${text} was taken ${copies.length} times, sent ${allowed} times` };
    }
  }
}

/** Sightings of one life of an instance, in the order in which they were asked for. A purge ends a life. */
function* livesOf(lookup: Lookup, id: string): Iterable<readonly Sighting[]> {
  const purges = lookup.calls(id, ['purge'], ['ok']);
  const seen = (lookup.sightings.get(id) ?? []).filter(({ status }) => status !== undefined);
  const sorted = seen.toSorted((one, other) => one.askedAt - other.askedAt);
  yield* groupBy(sorted, ({ askedAt }) => purges.filter(({ answeredAt }) => answeredAt <= askedAt).length).values();
}

const rank = (status = ''): number => (final.includes(status) ? 2 : status === 'Pending' ? 0 : 1);

function* forwardOnly(lookup: Lookup): Found {
  for (const id of lookup.sightings.keys()) {
    for (const life of livesOf(lookup, id)) {
      for (const [index, now] of life.entries()) {
        const before = life.slice(0, index).findLast(({ seenAt }) => seenAt <= now.askedAt);
        if (before === undefined) continue;
        if (rank(now.status) < rank(before.status)) {
          yield { id, proof: `${before.node} showed ${before.status ?? ''}, later ${now.node} ${now.status ?? ''}` };
        } else if ((now.lastUpdated ?? '') < (before.lastUpdated ?? '')) {
          yield { id, proof: `lastUpdatedTime went from ${before.lastUpdated ?? ''} back to ${now.lastUpdated ?? ''}` };
        }
      }
    }
  }
}

function* finalStays(lookup: Lookup): Found {
  for (const id of lookup.sightings.keys()) {
    for (const life of livesOf(lookup, id)) {
      const first = life.find(({ status }) => rank(status) === 2);
      const other = life.find(
        (seen) =>
          first !== undefined &&
          rank(seen.status) === 2 &&
          (seen.status !== first.status || seen.output !== first.output),
      );
      if (other !== undefined) {
        yield {
          id,
          proof: `its end was ${first?.status ?? ''} ${first?.output ?? ''}, later ${other.status ?? ''} ${other.output ?? ''}`,
        };
      }
    }
  }
}

function* shownAfterwards(lookup: Lookup): Found {
  for (const [id, sightings] of lookup.sightings) {
    const [start] = lookup.calls(id, ['start', 'contend'], ['ok']);
    const purge = lookup.calls(id, ['purge'], ['ok', 'unknown', 'fail'])[0];
    for (const seen of sightings) {
      if (seen.httpStatus !== 404) continue;
      if (seen.afterStart === true) yield { id, proof: `after its start was acknowledged ${seen.node} said 404` };
      else if (
        start !== undefined &&
        start.answeredAt <= seen.askedAt &&
        (purge?.invokedAt ?? Infinity) > seen.seenAt
      ) {
        yield { id, proof: `acknowledged at ${start.answeredAt}, ${seen.node} said 404 at ${seen.seenAt}` };
      }
    }
  }
}

/** Without copies that follow each other. */
function withoutCopies(text: string): string {
  const values = JSON.parse(text) as readonly unknown[];
  return JSON.stringify(values.filter((value, index) => index === 0 || value !== values[index - 1]));
}

/** What the model says of an instance and the service does not. */
function differenceOf(lookup: Lookup, item: PlanItem): string | undefined {
  const { expected, id } = item;
  const last = lookup.sightings.get(id)?.at(-1);
  const shown = last?.status ?? (last?.httpStatus === 404 ? 'purged' : 'nothing');
  if (!expected.status.includes(shown)) return `expected ${expected.status.join(' or ')}, found ${shown}`;
  if (shown === 'purged') return lookup.instance(id) === undefined ? undefined : 'purged, but it has a row';
  let output = last?.output ?? '';
  if (expected.copiesAllowed === true) output = withoutCopies(output);
  if (expected.output !== undefined && output !== expected.output) {
    return `expected ${shorten(expected.output)}, found ${shorten(output)}`;
  }
  if (expected.oneOf === undefined) return undefined;
  if (!expected.oneOf.includes(output)) return `expected one of ${expected.oneOf.join(' ')}, found ${output}`;
  const [winner] = lookup.calls(id, ['contend'], ['ok']);
  if (winner?.data === undefined) return undefined;
  const { value } = JSON.parse(winner.data) as { readonly value: string };
  return (JSON.parse(output) as { readonly value: string }).value === value
    ? undefined
    : `the start of ${value} was acknowledged, the output is ${output}`;
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text;
}

function* asModelled(lookup: Lookup): Found {
  for (const item of lookup.items.values()) {
    if (item.kind === 'poison' || lookup.evidence.stuck.includes(item.id)) continue;
    const proof = differenceOf(lookup, item);
    if (proof !== undefined) yield { id: item.id, proof };
  }
  const { plan, accounts } = lookup.evidence;
  for (const [name, balance] of Object.entries(plan.accounts)) {
    if (accounts[name] !== balance)
      yield { id: `@account@${name}`, proof: `balance ${String(accounts[name])}, expected ${balance}` };
  }
}

function* poisonEnds(lookup: Lookup): Found {
  for (const item of lookup.items.values()) {
    if (item.kind !== 'poison') continue;
    const proof = differenceOf(lookup, item);
    if (proof !== undefined) yield { id: item.id, proof };
  }
}

const asksForWork = ['TaskScheduled', 'TimerCreated', 'SubOrchestrationInstanceCreated', 'EventSent'];

function* steered(lookup: Lookup): Found {
  for (const id of lookup.items.keys()) {
    const instance = lookup.instance(id);
    const [terminate] = lookup.calls(id, ['terminate'], ['ok']);
    if (instance !== undefined && terminate !== undefined && instance.status !== 'Terminated') {
      yield { id, proof: `terminate was acknowledged at ${terminate.answeredAt}, it is ${instance.status}` };
    }
  }
  for (const { id, history } of lookup.evidence.tables.instances) {
    let isSuspended = false;
    for (const turn of turnsOf(history)) {
      const asked = turn.find(({ type }) => asksForWork.includes(type));
      const resumed = turn.some(({ type }) => type === 'ExecutionResumed');
      if (isSuspended && !resumed && asked !== undefined) {
        yield { id, proof: `${asked.type} at ${asked.timestamp}, while it was suspended` };
      }
      const change = turn.findLast(({ type }) => type === 'ExecutionSuspended' || type === 'ExecutionResumed');
      if (change !== undefined) isSuspended = change.type === 'ExecutionSuspended';
    }
  }
  yield* suspensionsApplied(lookup);
}

/** An acknowledged suspend is in the history, unless the instance ended within the moment that it takes. */
function* suspensionsApplied(lookup: Lookup): Found {
  for (const id of lookup.items.keys()) {
    const instance = lookup.instance(id);
    if (instance === undefined) continue;
    for (const [op, type] of [
      ['suspend', 'ExecutionSuspended'],
      ['resume', 'ExecutionResumed'],
    ] as const) {
      const applied = instance.history.filter((event) => event.type === type).length;
      const asked = new Set(
        lookup
          .calls(id, [op], ['ok'])
          .filter(
            ({ answeredAt }) => answeredAt + lookup.evidence.settings.backOffMs < (instance.completedAt ?? Infinity),
          )
          .map(({ action }) => action),
      ).size;
      if (applied < asked)
        yield { id, proof: `${asked} times ${op} was acknowledged, ${applied} times it was applied` };
    }
  }
}

export const callChecks: readonly Check[] = [
  { invariant: 'I1', says: 'every acknowledged start exists', find: startsExist },
  { invariant: 'I2', says: 'no instance that nobody asked for', find: nothingUnasked },
  { invariant: 'I3', says: 'one start for each execution', find: startedOnce },
  { invariant: 'I4', says: 'every acknowledged event is kept, in order', find: eventsKept },
  { invariant: 'I5', says: 'no event that was not sent, none with a key twice', find: eventsSent },
  { invariant: 'I12', says: 'status and lastUpdatedTime go forward', find: forwardOnly },
  { invariant: 'I13', says: 'final status and output stay', find: finalStays },
  { invariant: 'I14', says: 'what was acknowledged is shown by every node', find: shownAfterwards },
  { invariant: 'I15', says: 'output as the model says', find: asModelled },
  { invariant: 'I20', says: 'terminate ends, suspend holds', find: steered },
  { invariant: 'I24', says: 'poison ends by itself', find: poisonEnds },
];
