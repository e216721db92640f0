import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { closeTurn } from '../../src/core/state/close-turn.ts';
import { defaultLimits } from '../../src/core/state/turn-limits.ts';
import { stateOf } from '../../src/core/state/execution-state.ts';
import { defineEvent } from '../../src/model/events.ts';
import type { OrchestrationContext } from '../../src/model/functions.ts';
import { checkNow, jsonSchemaOf, type Schema } from '../../src/model/schema.ts';
import { ownedInstance } from '../support/builders.ts';
import { raised, replayOf, started, turn, type Body } from './support.ts';

/** A schema that takes what the test says at the moment. */
function changing(): { schema: Schema; accepts: boolean } {
  const state: { schema: Schema; accepts: boolean } = {
    accepts: true,
    schema: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          state.accepts
            ? { value: { checked: value } }
            : { issues: [{ message: 'not today', path: ['a', 0, { key: 'b' }] }] },
      },
    },
  };
  return state;
}

describe('a schema that changes while an instance runs', () => {
  const wait = (schema: Schema): Body => {
    const event = defineEvent('E', schema);
    return async (ctx: OrchestrationContext) => {
      const seen: unknown[] = [];
      for (let n = 0; n < 2; n += 1) {
        seen.push(await ctx.waitForExternalEvent(event).then((value) => value, String));
        await ctx.waitForExternalEvent('Next');
      }
      return seen;
    };
  };

  it('does not undo what was accepted: it goes in as it is stored', async () => {
    const state = changing();
    const history = [turn(), started(), turn(), raised('E', 1)];
    state.accepts = false;
    const run = replayOf(wait(state.schema));
    await run.advance({ history, newEvents: [turn(), raised('Next')] });
    state.accepts = true;
    const { actions } = await run.advance({ history: [], newEvents: [turn(), raised('E', 2), raised('Next')] });
    expect(actions).toMatchObject([{ result: JSON.stringify([1, { checked: 2 }]) }]);
  });

  it('does not undo what was refused: the refusal is recorded with its turn', async () => {
    const state = changing();
    state.accepts = false;
    const live = replayOf(wait(state.schema));
    await live.advance({ history: [], newEvents: [turn(), started()] });
    const opened = { newEvents: [turn(), raised('E', 1)], consumed: [], runs: true };
    const decision = await live.advance({ history: [], newEvents: opened.newEvents });
    expect(decision.rejected).toEqual([{ number: 0, issues: [{ message: 'not today', path: 'a[0].b' }] }]);
    const { commit } = closeTurn({
      instance: ownedInstance(),
      state: stateOf('e1', []),
      opened,
      decision,
      hasMore: false,
      limits: defaultLimits,
      newExecutionId: () => 'e2',
    });
    expect(commit.events[0]).toEqual({ ...turn(), rejected: decision.rejected });

    state.accepts = true;
    const replayed = replayOf(wait(state.schema));
    const history = [turn(), started(), ...commit.events];
    const { actions } = await replayed.advance({
      history,
      newEvents: [turn(), raised('Next'), raised('E', 2), raised('Next')],
    });
    expect(actions).toMatchObject([
      {
        result: JSON.stringify([
          "InvalidEventError: The payload of the event 'E' is not valid: a[0].b: not today.",
          { checked: 2 },
        ]),
      },
    ]);
  });

  it('says nothing of it when nothing was refused', async () => {
    const decision = await replayOf(wait(changing().schema)).advance({ history: [], newEvents: [turn(), started()] });
    expect(decision).not.toHaveProperty('rejected');
  });
});

describe('a value and its schema', () => {
  it('at most twenty issues are told', () => {
    const checked = checkNow(
      z.array(z.string()),
      Array.from({ length: 100 }, (_, n) => n),
      'It',
    );
    expect(checked.kind === 'invalid' && checked.issues.map(({ path }) => path)).toEqual(
      Array.from({ length: 20 }, (_, n) => `[${n}]`),
    );
  });

  it('a schema that promises is refused, also when it then rejects', () => {
    const schema = {
      '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('later')) },
    } as Schema;
    expect(() => checkNow(schema, 1, 'It')).toThrow(/It has an asynchronous schema/);
  });

  it('JSON schemas come from the standard interface, from methods, or not at all', () => {
    expect(jsonSchemaOf(z.object({ a: z.number().default(1) }), 'input')).toMatchObject({
      type: 'object',
      properties: { a: { type: 'number' } },
    });
    const standard = changing().schema;
    expect(jsonSchemaOf(standard, 'input')).toBeUndefined();
    expect(jsonSchemaOf(Object.assign({ toJsonSchema: () => ({ type: 'string' }) }, standard), 'input')).toEqual({
      type: 'string',
    });
    const throwing = { toJSONSchema: () => JSON.parse('{') as unknown };
    expect(jsonSchemaOf(Object.assign(throwing, standard), 'input')).toBeUndefined();
    expect(jsonSchemaOf(z.object({ a: z.date() }), 'input')).toBeUndefined();
  });
});
