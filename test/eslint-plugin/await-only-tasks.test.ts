import { awaitOnlyTasks } from '../../src/eslint-plugin/rules/await-only-tasks.ts';
import { inAsync, inDf, inGenerator, javaScript, typeScript } from './support.ts';

const foreign = (what: string, ctx = 'ctx') => [{ messageId: 'foreign', data: { what, ctx } }];
const imports = "import { load } from './load.js';";

javaScript.run('await-only-tasks', awaitOnlyTasks, {
  valid: [
    // Tasks.
    inAsync('await ctx.callActivity("A"); await ctx.createTimer(1); await ctx.waitForExternalEvent("E");'),
    inAsync(
      'await ctx.callHttp({ url: "x" }); await ctx.callSubOrchestrator("O"); await ctx.callEntity(input, "get");',
    ),
    inAsync('const held = await ctx.lock([input]); held.release();'),
    inAsync('const task = ctx.callActivity("A"); await task;'),
    inAsync('await ctx.all([ctx.callActivity("A")]); await ctx.any([ctx.callActivity("A"), ctx.createTimer(1)]);'),
    // Combined by JavaScript.
    inAsync('await Promise.all([ctx.callActivity("A"), ctx.callActivity("B")]);'),
    inAsync('await Promise.all(input.map((x) => ctx.callActivity("A", x)));'),
    inAsync('await Promise.race([ctx.callActivity("A"), ctx.createTimer(1)]);'),
    inAsync('const tasks = input.map((x) => { return ctx.callActivity("A", x); }); await Promise.allSettled(tasks);'),
    inAsync('const tasks = []; for (const x of input) tasks.push(ctx.callActivity("A", x)); await Promise.all(tasks);'),
    inAsync('await Promise.resolve(ctx.callActivity("A")).catch(() => undefined);'),
    inAsync('await (input ? ctx.callActivity("A") : ctx.callActivity("B"));'),
    // Helpers: of this file, of others when they get the context, and what cannot be known.
    inAsync('await step(ctx);') + ' async function step(ctx) { await ctx.callActivity("A"); }',
    imports + inAsync('await load(ctx, input);'),
    imports + inDf('const x = yield* load(context.df);'),
    `${imports} import { orchestration } from 'perdure'; orchestration('O', async (c) => { c.newGuid(); await load(c); });`,
    inAsync('await input.task; await input.run();'),
    // Callables of durable-functions are imported too: the option says so.
    { code: imports + inAsync('await load(input);'), options: [{ tasks: ['load'] }] },
    imports + inGenerator('yield load(input);'),
    inAsync('await null; await 5;'),
    inGenerator('yield ctx.callActivity("A"); yield* ctx.callActivity("A"); const t = yield ctx.all([]);'),
    inDf('yield context.df.Task.all([context.df.callActivity("A")]);'),
    // Not in an orchestrator.
    `${imports} await load(); async function other() { await load(); }`,
    "import { activity } from 'perdure'; import { load } from './load.js'; activity('A', async () => await load());",
    // Reported by the other rule.
    inAsync('await fetch("x");'),
    'const Promise = { any: (x) => x };' + inAsync('await Promise.any([]);'),
  ],
  invalid: [
    { code: imports + inAsync('await load();'), errors: foreign('load(…)') },
    { code: imports + inAsync('const x = await load(input);'), errors: foreign('load(…)') },
    { code: imports + inAsync('const promise = load(input); await promise;'), errors: foreign('load(…)') },
    { code: imports + inAsync('await load(input).then((x) => x.y);'), errors: foreign('load(…)') },
    { code: "import { db } from './db.js';" + inAsync('await db.query("x");'), errors: foreign('db.query(…)') },
    {
      code: "import pg from 'pg'; const pool = pg.pool;" + inAsync('await pool.query("x");'),
      errors: foreign('pool.query(…)'),
    },
    { code: imports + inAsync('await Promise.all([ctx.callActivity("A"), load()]);'), errors: foreign('load(…)') },
    { code: imports + inAsync('await Promise.all(input.map((x) => load(x)));'), errors: foreign('load(…)') },
    { code: imports + inAsync('await (input ? load() : ctx.callActivity("A"));'), errors: foreign('load(…)') },
    { code: inAsync('await Promise.resolve(5);'), errors: foreign('Promise.resolve(…)') },
    { code: inAsync('await new Promise((resolve) => resolve(1));'), errors: foreign('new Promise(…)') },
    { code: inAsync('await import("./x.js");'), errors: foreign('import(…)') },
    {
      code: inAsync('await Promise.any([ctx.callActivity("A")]);'),
      errors: [{ messageId: 'promiseAny', data: { ctx: 'ctx' } }],
    },
    { code: inAsync('for await (const x of input) {}'), errors: [{ messageId: 'loop' }] },
    {
      code: imports + inAsync('await step(ctx);') + ' async function step(ctx) { await load(); }',
      errors: foreign('load(…)'),
    },
    {
      code: `${imports} class F { async run(ctx) { await this.step(); } async step() { await load(); } } ${inAsync('await new F().run(ctx);')}`,
      errors: foreign('load(…)'),
    },
    // Generators.
    {
      code: inGenerator('yield Promise.all([ctx.callActivity("A")]);'),
      errors: [{ messageId: 'yieldedPromise', data: { ctx: 'ctx', method: 'all' } }],
    },
    {
      code: inGenerator('yield Promise.race([ctx.callActivity("A")]);'),
      errors: [{ messageId: 'yieldedPromise', data: { ctx: 'ctx', method: 'any' } }],
    },
    {
      code: inDf('yield Promise.all([context.df.callActivity("A")]);'),
      errors: [{ messageId: 'yieldedPromise', data: { ctx: 'context.df', method: 'Task.all' } }],
    },
    { code: inGenerator('yield;'), errors: [{ messageId: 'yieldedNothing' }] },
    { code: inGenerator('yield 5;'), errors: [{ messageId: 'yieldedNothing' }] },
    {
      code: `${imports} import { orchestration } from 'perdure'; orchestration('O', async function* (ctx) { yield load(); });`,
      errors: foreign('load(…)'),
    },
  ],
});

typeScript.run('await-only-tasks in TypeScript', awaitOnlyTasks, {
  valid: [
    inAsync('const x = (await ctx.callActivity("A")) as string; await (ctx.callActivity("A") satisfies unknown);'),
  ],
  invalid: [
    { code: imports + inAsync('const x: string = await (load() as Promise<string>);'), errors: foreign('load(…)') },
  ],
});
