/** I17: every stored history leads the code of today to what is stored, from every end of a turn too. */
import { assertReplays, ReplayDifferenceError } from '../../src/testing/assert-replays.ts';
import { historyFormat } from '../../src/model/orchestration-history.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import type { FunctionDefinition, OrchestrationDefinition } from '../../src/model/functions.ts';
import { brand } from '../../src/model/functions.ts';
import * as functions from '../functions.ts';
import type { Violation } from '../types.ts';
import { turnsOf, type Lookup } from './lookup.ts';

export interface Replayed {
  readonly replayed: number;
  readonly violations: readonly Violation[];
}

/** Longer histories are replayed from so many ends of turns. */
const maxPrefixes = 40;

/** Each of them does what it does to a worker to the checker, too: decides otherwise, never returns, ends the process. */
const notReplayed = ['PoisonDiverging', 'PoisonLoop', 'PoisonExit'];

const definitions = new Map(
  Object.values(functions).flatMap((value) => {
    const definition = value as unknown as FunctionDefinition;
    return isOrchestration(definition) ? [[definition.name, definition] as const] : [];
  }),
);

function isOrchestration(value: FunctionDefinition): value is OrchestrationDefinition<never, unknown> {
  return typeof value === 'object' && brand in value && value[brand] === 'orchestration';
}

export async function replayAll(lookup: Lookup): Promise<Replayed> {
  const violations: Violation[] = [];
  let replayed = 0;
  for (const { id, name, history, executionId } of lookup.evidence.tables.instances) {
    const definition = definitions.get(name);
    if (definition === undefined || history.length === 0 || notReplayed.includes(name)) continue;
    for (const events of prefixes(history)) {
      replayed += 1;
      try {
        await assertReplays(
          { format: historyFormat, instanceId: id, name, version: null, executionId, runtimeStatus: 'Running', events },
          definition,
        );
      } catch (error) {
        if (!(error instanceof ReplayDifferenceError || error instanceof TypeError)) throw error;
        violations.push({
          invariant: 'I17',
          id,
          proof: `at ${events.length} of ${history.length} events: ${error.message}`,
        });
        break;
      }
    }
  }
  return { replayed, violations };
}

/** The whole history, and what of it was there at the ends of earlier turns. */
function prefixes(history: readonly HistoryEvent[]): readonly (readonly HistoryEvent[])[] {
  const turns = turnsOf(history);
  const every = Math.max(1, Math.ceil(turns.length / maxPrefixes));
  const found: (readonly HistoryEvent[])[] = [];
  for (let count = turns.length; count > 0; count -= every) found.push(turns.slice(0, count).flat());
  return found;
}
