/** Which external events an orchestrator waits for: only its code knows, so it is replayed. Nothing comes of it. */
import { Replay } from '../../core/replay/replay.ts';
import type { AwaitedEvent } from '../../model/explanation.ts';
import { isOrchestration, type FunctionDefinition, type OrchestrationDefinition } from '../../model/functions.ts';
import type { HistoryEvent } from '../../model/history.ts';
import { VersionedDefinitions } from '../../model/versions.ts';
import type { RunTarget } from '../executor.ts';

/** A longer history is not replayed just to be looked at. */
const mostEvents = 20_000;
/** How long a history may be for its turns to be looked through. */
const mostSearched = 2_000;

type Definitions = VersionedDefinitions<OrchestrationDefinition<never, unknown>>;

export function orchestrationsOf(functions: readonly FunctionDefinition[]): Definitions {
  const known: Definitions = new VersionedDefinitions();
  for (const definition of functions.filter(isOrchestration)) known.add(definition);
  return known;
}

/** @returns their names, `undefined` when the code is not here */
export async function awaitedNames(
  known: Definitions,
  target: RunTarget,
  history: readonly HistoryEvent[],
): Promise<readonly string[] | undefined> {
  const definition = known.find(target.name, target.version);
  if (definition === undefined) return undefined;
  const replay = new Replay({
    instanceId: target.instanceId,
    orchestrator: (context, input) => definition.run(context, input),
    schemas: definition.schemas,
  });
  try {
    await replay.advance({ history, newEvents: [] });
    return replay.awaitedEvents;
  } finally {
    replay.dispose();
  }
}

/**
 * The same with the turn in which each wait began. A wait for an event begins after the last event of that name came, and goes
 * on from then: so its turn is found by halving.
 * @returns `undefined` when the code is not here, or does not agree with the history
 */
export async function awaitedEvents(
  known: Definitions,
  target: RunTarget,
  history: readonly HistoryEvent[],
): Promise<readonly AwaitedEvent[] | undefined> {
  if (history.length === 0 || history.length > mostEvents) return undefined;
  const names = await awaitedNames(known, target, history).catch(() => undefined);
  if (names === undefined) return undefined;
  const found: AwaitedEvent[] = [];
  for (const name of new Set(names)) {
    const since =
      history.length > mostSearched ? null : await beginOf(known, { target, history, name }).catch(() => null);
    found.push({ name, since });
  }
  return found;
}

async function beginOf(
  known: Definitions,
  wait: { readonly target: RunTarget; readonly history: readonly HistoryEvent[]; readonly name: string },
): Promise<number | null> {
  const { target, history, name } = wait;
  const last = history.findLastIndex((event) => event.type === 'EventRaised' && event.name === name);
  // Where a turn ends: before the next one begins.
  const ends = history.flatMap((event, index) =>
    index > last + 1 && event.type === 'OrchestratorStarted' ? [index] : [],
  );
  ends.push(history.length);
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const names = await awaitedNames(known, target, history.slice(0, ends[middle]));
    if (names?.includes(name) === true) high = middle;
    else low = middle + 1;
  }
  const turn = history.slice(0, ends[low]).findLast(({ type }) => type === 'OrchestratorStarted');
  return turn?.timestamp ?? null;
}
