import { describe, expect, it } from 'vitest';
import { EntityRun } from '../../src/core/replay/entity-runner.ts';
import { entity, type EntityFunction } from '../../src/model/entity-functions.ts';
import { EntityId, parseEntityId } from '../../src/model/entity-id.ts';
import type { OperationOutcome } from '../../src/model/entity-work.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

type Step = readonly [operation: string, input?: unknown];

/** Runs synchronous operations of one batch. */
function run(definition: EntityFunction, state: unknown, ...steps: readonly Step[]) {
  const operations = steps.map(([operation, input], index) => ({
    type: 'EntityOperationSignaled' as const,
    requestId: `r${index}`,
    operation,
    ...(input === undefined ? {} : { input: JSON.stringify(input) }),
  }));
  const text = state === undefined ? null : JSON.stringify(state);
  const batch = { instanceId: '@thing@k', state: text, operations };
  const entityRun = new EntityRun({ definition, batch, log: () => silent });
  const outcomes = operations.map((operation): OperationOutcome => {
    const running = entityRun.begin(operation);
    let result: unknown;
    try {
      result = running.call();
    } catch (error) {
      return running.fail(error);
    }
    return running.succeed(result);
  });
  const after: unknown = entityRun.state === null ? undefined : JSON.parse(entityRun.state);
  return { outcomes, state: after };
}

function resultsOf(outcomes: readonly OperationOutcome[]): readonly unknown[] {
  return outcomes.map((outcome) =>
    outcome.kind === 'failed'
      ? outcome.failure.message
      : outcome.result === undefined
        ? undefined
        : (JSON.parse(outcome.result) as unknown),
  );
}

describe('a table of operations', () => {
  const list = entity('Thing', {
    initialState: { items: ['first'] },
    operations: {
      push: (ctx, item: string) => ctx.state.items.push(item),
      look: (ctx) => ctx.state.items.length,
      replace: (ctx, items: string[]) => void (ctx.state = { items }),
      fail: (ctx) => {
        ctx.state.items.push('never');
        ctx.signalEntity(new EntityId('other', 'x'), 'op');
        throw new RangeError('no');
      },
      unstorable: (ctx) => void (ctx.state = { items: [1n as unknown as string] }),
      clear: (ctx) => ctx.deleteState(),
      clearAndSet: (ctx) => {
        ctx.deleteState();
        ctx.state = { items: [] };
      },
      whoAmI: (ctx) => [ctx.entityName, ctx.entityKey, ctx.operationName, ctx.isNewlyConstructed],
    },
  });

  it('an initial value is not shared by entities', () => {
    expect(run(list, undefined, ['push', 'a']).state).toEqual({ items: ['first', 'a'] });
    expect(run(list, undefined, ['push', 'b']).state).toEqual({ items: ['first', 'b'] });
  });

  it('looking at an entity does not make one', () => {
    const { outcomes, state } = run(list, undefined, ['look']);
    expect(resultsOf(outcomes)).toEqual([1]);
    expect(state).toBeUndefined();
  });

  it('operations see what those before them have changed', () => {
    const { outcomes, state } = run(
      list,
      { items: [] },
      ['push', 'a'],
      ['replace', ['b', 'c']],
      ['push', 'd'],
      ['look'],
    );
    expect(resultsOf(outcomes)).toEqual([1, undefined, 3, 3]);
    expect(state).toEqual({ items: ['b', 'c', 'd'] });
  });

  it('what throws changes and sends nothing; the others do', () => {
    const { outcomes, state } = run(list, { items: [] }, ['push', 'a'], ['fail'], ['push', 'b']);
    expect(outcomes.map((outcome) => outcome.kind)).toEqual(['completed', 'failed', 'completed']);
    expect(state).toEqual({ items: ['a', 'b'] });
  });

  it('a state that JSON cannot hold is a failure of its operation', () => {
    const { outcomes, state } = run(list, { items: [] }, ['unstorable'], ['push', 'a']);
    expect(resultsOf(outcomes)[0]).toMatch(/^The state of entity 'Thing' cannot be stored as JSON/);
    expect(state).toEqual({ items: ['a'] });
  });

  it('deleting is undone by assigning afterwards', () => {
    expect(run(list, { items: ['x'] }, ['clear']).state).toBeUndefined();
    expect(run(list, { items: ['x'] }, ['clearAndSet']).state).toEqual({ items: [] });
    // The next operation starts afresh.
    expect(run(list, { items: ['x'] }, ['clear'], ['push', 'a']).state).toEqual({ items: ['first', 'a'] });
  });

  it('names are found exactly, else without case; delete works without being there', () => {
    const cased = entity('Thing', { initialState: 0, operations: { get: () => 'lower', GET: () => 'upper' } });
    expect(resultsOf(run(cased, 1, ['GET'], ['get'], ['Get']).outcomes)).toEqual(['upper', 'lower', 'lower']);
    expect(run(cased, 1, ['Delete']).state).toBeUndefined();
    const own = entity('Thing', { initialState: 0, operations: { DELETE: () => 'kept' } });
    expect(run(own, 1, ['delete'])).toMatchObject({ state: 1 });
  });

  it('an unknown operation fails with those that there are', () => {
    const only = entity('Thing', { initialState: 0, operations: { get: () => 1 } });
    expect(resultsOf(run(only, 1, ['set'], ['constructor']).outcomes)).toEqual([
      "Entity 'Thing' has no operation 'set'. Its operations: get.",
      "Entity 'Thing' has no operation 'constructor'. Its operations: get.",
    ]);
  });

  it('says who it is', () => {
    expect(resultsOf(run(list, undefined, ['whoAmI'], ['replace', []], ['whoAmI']).outcomes)).toEqual([
      ['thing', 'k', 'whoAmI', true],
      undefined,
      ['thing', 'k', 'whoAmI', false],
    ]);
  });

  it('a context that outlives its operation refuses', () => {
    const kept: { get(): unknown }[] = [];
    const leaking = entity('Thing', {
      initialState: 0,
      operations: { leak: (ctx) => void kept.push({ get: () => ctx.state }) },
    });
    run(leaking, 1, ['leak']);
    expect(() => kept[0]?.get()).toThrow("state was used after its operation 'leak' had ended");
  });

  it('what is sent and started has the same ids when the batch is tried again', () => {
    const sender = entity('Thing', {
      initialState: 0,
      operations: {
        go: (ctx) => {
          ctx.signalEntity(ctx.entityId, 'again');
          ctx.signalEntity(ctx.entityId, 'again', undefined, { scheduledTime: new Date(5) });
          return ctx.startNew('Order', { input: 1 });
        },
      },
    });
    const first = run(sender, 1, ['go']);
    expect(run(sender, 1, ['go'])).toEqual(first);
    const [outcome] = first.outcomes;
    const actions = outcome?.kind === 'completed' ? outcome.actions : [];
    expect(actions).toMatchObject([
      { type: 'SignalEntity', instanceId: '@thing@k', signal: { operation: 'again' } },
      { type: 'SignalEntity', signal: { scheduledTime: 5 } },
      { type: 'StartOrchestration', start: { event: { name: 'Order', input: '1' } } },
    ]);
  });

  it.each([
    ['an id that no orchestration can have', { instanceId: '@x@y' }],
    ['a start at no time', { startAt: new Date(Number.NaN) }],
  ])('startNew refuses %s', (_, options) => {
    const starter = entity('Thing', { initialState: 0, operations: { go: (ctx) => ctx.startNew('O', options) } });
    expect(run(starter, 1, ['go']).outcomes[0]?.kind).toBe('failed');
  });
});

describe('a class', () => {
  class Base {
    count = 0;
    add(n: number): number {
      return (this.count += n);
    }
  }
  class Thing extends Base {
    readonly seen: string[] = [];
    note(text: string, context: { readonly operationName: string }): void {
      this.seen.push(`${context.operationName} ${text}`);
    }
    look(): number {
      return this.count;
    }
  }
  const definition = entity('Thing', Thing);

  it('keeps its fields, methods of the base included', () => {
    const { outcomes, state } = run(definition, undefined, ['add', 2], ['ADD', 3], ['note', 'x']);
    expect(resultsOf(outcomes)).toEqual([2, 5, undefined]);
    expect(state).toEqual({ count: 5, seen: ['note x'] });
  });

  it('looking at one does not make it; constructor and inherited members of objects are no operations', () => {
    expect(run(definition, undefined, ['look']).state).toBeUndefined();
    const { outcomes } = run(definition, undefined, ['constructor'], ['toString'], ['hasOwnProperty', 'x']);
    expect(outcomes.every((outcome) => outcome.kind === 'failed')).toBe(true);
  });

  it('delete works without being there', () => {
    expect(run(definition, { count: 1, seen: [] }, ['delete']).state).toBeUndefined();
  });
});

describe('a function in the style of durable-functions', () => {
  it('gets input, gives a result, sets and forgets the state', () => {
    const classic = entity<number>('Thing', ({ df }) => {
      if (df.operationName === 'add') df.setState((df.getState(() => 10) ?? 0) + (df.getInput<number>() ?? 0));
      else if (df.operationName === 'get') df.return(df.getState(() => 0));
      else if (df.operationName === 'null') df.setState(null);
      else df.destructOnExit();
    });
    const { outcomes, state } = run(classic, undefined, ['get'], ['add', 5], ['get']);
    expect(resultsOf(outcomes)).toEqual([0, undefined, 15]);
    expect(state).toBe(15);
    expect(run(classic, 1, ['null']).state).toBeUndefined();
    expect(run(classic, 1, ['end']).state).toBeUndefined();
  });
});

describe('definitions and ids', () => {
  it.each(['', 'a@b', 'a/b', 'x'.repeat(257)])('the name %s is refused', (name) => {
    expect(() => entity(name, { initialState: 0, operations: {} })).toThrow(TypeError);
  });

  it.each([null, 5, {}, { operations: { a: 1 } }])('%s is no definition', (given) => {
    const loose: (name: string, definition: unknown) => unknown = entity as never;
    expect(() => loose('Thing', given)).toThrow('the second argument must be');
  });

  it('names are folded, keys kept, and an id reads back', () => {
    const id = new EntityId('Counter', 'A@b');
    expect(String(id)).toBe('@counter@A@b');
    expect(parseEntityId('@counter@A@b')).toEqual(id);
    expect(parseEntityId('@counter')).toBeUndefined();
    expect(parseEntityId('counter@a')).toBeUndefined();
    expect(String(new EntityId('c', ''))).toBe('@c@');
  });

  it.each([
    ['', 'k'],
    ['a@b', 'k'],
    ['a', 'b/c'],
    ['a', 'b\u0000'],
    ['a', '\ud800'],
    ['a', 'x'.repeat(254)],
  ])('B189: no entity is %s %s', (name, key) => {
    expect(() => new EntityId(name, key)).toThrow(TypeError);
  });
});
