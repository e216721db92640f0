/** The one table of a run. */
import { groupBy } from './group-by.ts';
import { attemptsOf } from './check/work.ts';
import { Lookup } from './check/lookup.ts';
import type { Verdict } from './check/index.ts';
import type { Evidence } from './types.ts';

const lostBy = ['I1', 'I4', 'I8', 'I14', 'I20'];
const doubledBy = ['I3', 'I5', 'I6', 'I7'];

export function toTable(evidence: Evidence, verdict: Verdict): string {
  const lookup = new Lookup(evidence);
  const { journal, faults, settings, tables, runs, plan } = evidence;
  const count = (invariants: readonly string[]) =>
    verdict.violations.filter(({ invariant }) => invariants.includes(invariant)).length;
  const outcome = (wanted: string) => journal.filter((call) => call.outcome === wanted).length;
  const acknowledged = outcome('ok');
  const again = Array.from(attemptsOf(lookup)).reduce((sum, attempt) => sum + attempt.length - 1, 0);
  const timers = tables.instances.flatMap(({ history }) =>
    history.flatMap((event) => (event.type === 'TimerFired' ? [event.timestamp - event.fireAt] : [])),
  );
  const late = timers.filter((ms) => ms > settings.pollMs + 250).length;
  const kinds = [...groupBy(faults, ({ kind }) => kind)].map(([kind, of]) => `${kind} ${of.length}`).toSorted();
  const rows: readonly (readonly [string, string])[] = [
    ['seed', String(plan.seed)],
    ['command', `\`${evidence.command}\``],
    [
      'duration',
      `${((evidence.restedAt - evidence.begunAt) / 60_000).toFixed(1)} min, L ${settings.leaseMs} ms, P ${settings.pollMs} ms`,
    ],
    [
      'orchestrations',
      `${plan.items.length} planned, ${tables.instances.length} instances at the end, with children and entities`,
    ],
    ['acknowledged / lost / doubled', `${acknowledged} / ${count(lostBy)} / ${count(doubledBy)}`],
    ['calls refused / unclear, sent again', `${outcome('fail')} / ${outcome('unknown')}`],
    [
      'runs of activities',
      `${runs.length}, ${again} of them again: ${again - count(['I9'])} explained / ${count(['I9', 'I10', 'I11'])} unexplained`,
    ],
    ['timers', `${timers.length}: ${timers.filter((ms) => ms < 0).length} early / ${late} later than P + 250 ms`],
    ['histories replayed / different', `${verdict.replayed} / ${count(['I17'])}`],
    ['faults', `${faults.length}: ${kinds.join(', ')}`],
    ['takeover of activities after a kill', spread(takeovers(evidence))],
    ['first answer after a crash of Postgres', spread(recoveries(evidence))],
    ['stuck at the end', String(evidence.stuck.length)],
    ['violations', String(verdict.violations.length)],
    [
      'bound (95 %)',
      `0 in ${plan.items.length} orchestrations: below ${(3 / plan.items.length).toExponential(1)} each; 0 in ${acknowledged} acknowledged calls: below ${(3 / Math.max(1, acknowledged)).toExponential(1)} each`,
    ],
  ];
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

/** From a kill to the next run of what the node was running then. */
function takeovers({ faults, runs }: Evidence): readonly number[] {
  const byTask = groupBy(runs, ({ task, attempt }) => `${task} ${attempt}`);
  return faults
    .filter(({ kind }) => kind === 'kill')
    .flatMap(({ node, from }) =>
      runs
        .filter((run) => run.node === node && run.startedAt <= from && run.endedAt === null)
        .flatMap(({ task, attempt, id, startedAt }) => {
          const next = byTask.get(`${task} ${attempt}`)?.find((run) => run.id !== id && run.startedAt > startedAt);
          // Of the lives of a node this kill has to be the one that ended the run.
          return next === undefined || from - startedAt > 60_000 ? [] : [next.startedAt - from];
        }),
    )
    .filter((ms) => ms >= 0);
}

/** From a crash of Postgres to the first call that was sent after it and answered well. */
function recoveries({ faults, journal }: Evidence): readonly number[] {
  return faults
    .filter(({ kind }) => kind === 'postgres-crash')
    .flatMap(({ from }) => {
      const answers = journal.filter((call) => call.outcome === 'ok' && call.invokedAt >= from + 20);
      return answers.length === 0 ? [] : [Math.min(...answers.map((call) => call.answeredAt)) - from];
    });
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return 'none';
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${sorted.length})`;
}
