/** What is left when everything has come to rest: I21 - I23, I25, I26. */
import { halfOpenMs, isEntity, type Check, type Lookup } from './lookup.ts';

type Found = Iterable<{ readonly id: string; readonly proof: string }>;

/** A node that only serves should stay below it. */
const maxMemoryMiB = 900;
const maxLinesPerSecond = 50;

function* nothingAfterPurge(lookup: Lookup): Found {
  for (const row of lookup.evidence.tables.orphans) yield { id: row, proof: 'a row of an instance that is gone' };
  for (const [id, item] of lookup.items) {
    if (item.kind !== 'reused') continue;
    const starts = lookup.calls(id, ['start'], ['ok']).map(({ data }) => data);
    const instance = lookup.instance(id);
    if (instance !== undefined && starts.length > 0 && instance.input !== starts.at(-1)) {
      yield { id, proof: `its input is ${instance.input ?? 'nothing'}, the last start had ${starts.at(-1) ?? ''}` };
    }
  }
}

function* atRest(lookup: Lookup): Found {
  const { tables, stuck } = lookup.evidence;
  for (const { id, owner, hasExecution, isFinal } of tables.instances) {
    if (stuck.includes(id)) continue;
    if (owner !== null) yield { id, proof: `worker ${owner} still owns it` };
    if (hasExecution && isFinal) yield { id, proof: 'it has ended and has an execution' };
    if (!isFinal && !isEntity(id)) yield { id, proof: 'it has not ended' };
  }
  for (const { key, event } of tables.messages) {
    const id = lookup.byKey.get(key)?.id ?? key;
    if (!stuck.includes(id)) yield { id, proof: `in its inbox: ${event.slice(0, 200)}` };
  }
  for (const { key, name } of tables.tasks)
    yield { id: lookup.byKey.get(key)?.id ?? key, proof: `a task of ${name} is left` };
  for (const text of tables.transactions) yield { id: 'database', proof: `a transaction is open: ${text}` };
  for (const id of tables.lockedEntities) yield { id, proof: 'it is still locked' };
}

function* soonFinal(lookup: Lookup): Found {
  const { stuck, settings, restedAt, lastFaultAt, plan, journal } = lookup.evidence;
  for (const id of stuck) yield { id, proof: `not final: ${lookup.instance(id)?.status ?? 'no row'}` };
  const lastCall = journal.reduce((last, { answeredAt }) => Math.max(last, answeredAt), 0);
  const since = Math.max(lastFaultAt, lastCall);
  // A half-open connection is one of the faults; and a machine with two cores has other things to do.
  const bound = 2 * settings.leaseMs + settings.pollMs + settings.backOffMs + plan.longestTimerMs + halfOpenMs;
  if (restedAt - since > bound + 10_000) {
    yield { id: 'all', proof: `final ${restedAt - since} ms after the last fault and call, bound ${bound} ms` };
  }
}

function* nodesLive(lookup: Lookup): Found {
  for (const { name, exits, memoryMiB } of lookup.evidence.nodes) {
    for (const { at, code, signal, wanted, wasReady, lastLine } of exits) {
      // One that starts while the database is away says so and ends.
      if (wanted || (!wasReady && lookup.explains(name, at - 10_000, at))) continue;
      yield { id: name, proof: `ended by itself (${signal ?? `code ${code ?? '?'}`}): ${lastLine}` };
    }
    if (memoryMiB > maxMemoryMiB) yield { id: name, proof: `${memoryMiB} MiB of memory at the end` };
  }
}

function* quietLogs(lookup: Lookup): Found {
  for (const { name, leaks, logLines, seconds } of lookup.evidence.nodes) {
    for (const line of leaks) yield { id: name, proof: `a payload in its log: ${line}` };
    if (logLines > maxLinesPerSecond * Math.max(seconds, 20))
      yield { id: name, proof: `${logLines} log lines in ${Math.round(seconds)} s` };
  }
}

export const restChecks: readonly Check[] = [
  { invariant: 'I21', says: 'nothing is left after a purge', find: nothingAfterPurge },
  { invariant: 'I22', says: 'no lease, message, task or transaction is left', find: atRest },
  { invariant: 'I23', says: 'everything is final soon after the last fault', find: soonFinal },
  { invariant: 'I25', says: 'no node ends by itself', find: nodesLive },
  { invariant: 'I26', says: 'logs are quiet and hold no payload', find: quietLogs },
];
