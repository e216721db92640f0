/**
 * Histories that releases have recorded, each in its folder: whatever the engine becomes, they replay to the decisions
 * that they record. A file here is never edited. New ones: `npm run record-histories`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { OrchestrationHistory } from 'perdure';
import { assertReplays } from 'perdure/testing';
import * as order from '../../samples/order/index.ts';
import type { HistoryEvent } from '../../src/model/history.ts';
import { record, replayOf } from '../core/support.ts';
import { definitions } from './orchestrations.ts';
import { recordScenario, scenarios } from './scenarios.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));

function read(file: string): OrchestrationHistory {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}

function orchestratorOf({ name }: OrchestrationHistory) {
  const found = [order.orderOrchestrator, ...definitions].find((definition) => definition.name === name);
  if (found === undefined) throw new Error(`no orchestration here is named '${name}'`);
  return found;
}

/** Events that record what the code asked for. */
function isRecord(event: HistoryEvent): boolean {
  return 'eventId' in event;
}

/** Without what depends on the moment or on where code lies. */
function comparable(events: readonly HistoryEvent[]): readonly object[] {
  const text = JSON.stringify(
    events.map(({ timestamp: _, ...event }) => event),
    (key, value) => (key === 'stackTrace' ? undefined : value),
  );
  return JSON.parse(text);
}

describe.each(files)('the history %s', (file) => {
  const history = read(file);
  const { events, instanceId } = history;
  const orchestrator = orchestratorOf(history);

  it('replays', async () => {
    await assertReplays(history, orchestrator);
  });

  it('leads to the recorded decision in every turn, to the letter', async () => {
    // The turn after a rewind is made of what the engine undid as well.
    if (events.some((event) => event.type === 'ExecutionRewound')) return;
    const cuts = events.flatMap((event, index) => (event.type === 'OrchestratorStarted' ? [index] : []));
    for (const [turn, cut] of cuts.entries()) {
      const inTurn = events.slice(cut, cuts[turn + 1]);
      // A termination is the engine's decision.
      if (inTurn.some((event) => event.type === 'ExecutionTerminated')) continue;
      const run = replayOf((context, input: never) => orchestrator.run(context, input), { instanceId });
      const newEvents = inTurn.filter((event) => !isRecord(event));
      const { actions } = await run.advance({ history: events.slice(0, cut), newEvents });
      run.dispose();
      // A later release may record more of an action, never anything else.
      expect(comparable(record(actions)), `turn ${turn}`).toMatchObject(comparable(inTurn.filter(isRecord)));
    }
  });
});

it('every scenario is recorded', () => {
  const recorded = new Set(files.map((file) => basename(file, '.json')));
  expect(scenarios.map((scenario) => scenario.name).filter((name) => !recorded.has(name))).toEqual([]);
});

it.each(scenarios)('the scenario $name gives the same history each time', async (scenario) => {
  expect(await recordScenario(scenario)).toEqual(await recordScenario(scenario));
});
