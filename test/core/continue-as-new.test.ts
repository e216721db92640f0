import { expect, it } from 'vitest';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import { raised, replayOf, resumed, started, suspended, turn } from './support.ts';

const takesOne = async (ctx: OrchestrationContext) => {
  await ctx.waitForExternalEvent('Item');
  ctx.continueAsNew('next');
};

it.each([
  ['is not suspended', [raised('Item', 1), raised('Item', 2), raised('Item', 3)]],
  ['is suspended after it', [raised('Item', 1), suspended, raised('Item', 2), raised('Item', 3)]],
  [
    'is suspended and resumed',
    [suspended, raised('Item', 1), raised('Item', 2), resumed, suspended, raised('Item', 3)],
  ],
])('events that nobody took go to the next execution when the one that continues as new %s', async (_, events) => {
  const decision = await replayOf(takesOne).advance({ history: [], newEvents: [turn(), started(), ...events] });
  expect(decision.actions).toMatchObject([{ type: 'ContinueAsNew', carriedEvents: [{ input: '2' }, { input: '3' }] }]);
});
