import { noNondeterminism } from '../../src/eslint-plugin/rules/no-nondeterminism.ts';
import { inAsync, inDf, inGenerator, javaScript, typeScript } from './support.ts';

/** One problem, with its words. */
const says = (what: string, instead: string, ...outputs: readonly string[]) => [
  {
    messageId: 'forbidden',
    data: { what, instead },
    suggestions: outputs.map((output) => ({ messageId: 'replace', output })),
  },
];
const named = (what: string) => [
  { message: new RegExp(`^${what.replace(/[.()]/g, '\\$&')} is not the same in every replay`) },
];

javaScript.run('no-nondeterminism', noNondeterminism, {
  valid: [
    // Not in an orchestrator.
    'Date.now(); Math.random(); new Date(); setTimeout(() => {}, 1); fetch("x"); process.env.HOME;',
    "import { activity } from 'perdure'; activity('A', async () => { await fetch('x'); return Date.now(); });",
    "import { http } from 'perdure'; http('H', {}, async () => Date.now());",
    "import { orchestration, activity } from 'perdure'; const now = activity('Now', () => Date.now()); orchestration('O', (ctx) => ctx.callActivity(now));",
    // A helper that no orchestrator calls.
    inAsync('await ctx.callActivity("A")') + ' function unused() { return Math.random(); }',
    // An activity that is defined inside.
    inAsync('const a = activity("A", () => Date.now()); await ctx.callActivity(a);'),
    // What is the same in every replay.
    inAsync('new Date(5); new Date(input.at); Date.UTC(2026, 1); Date.parse(input.at); Math.max(1, 2);'),
    inAsync('ctx.currentUtcDateTime; ctx.newGuid(); ctx.log.info("x"); console.table; crypto.subtle;'),
    inAsync('const o = { Date: 1, random: 2, now: 3 }; o.now; o.random; input.fetch(); input.Math.random();'),
    // Shadowed names.
    inAsync('const Math = input.math; Math.random();'),
    inAsync('const setTimeout = (f) => f; setTimeout(1);'),
    inAsync('{ function fetch() {} fetch(); }'),
    'const Date = { now: () => 1 };' + inAsync('Date.now();'),
    "import { random } from './mine.js';" + inAsync('random();'),
    // Not perdure's.
    "function orchestration(name, f) {} orchestration('O', async () => Date.now());",
    "const { orchestration } = make(); orchestration('O', async () => Date.now());",
    // Types of modules that may be used.
    "import { createHash } from 'node:crypto';" + inAsync("createHash('sha1');"),
    "import path from 'node:path';" + inAsync("path.join('a', 'b');"),
  ],
  invalid: [
    {
      code: inAsync('const now = Date.now();'),
      errors: says(
        'Date.now()',
        'ctx.currentUtcDateTime.getTime()',
        inAsync('const now = ctx.currentUtcDateTime.getTime();'),
      ),
    },
    {
      code: inAsync('const now = new Date();'),
      errors: says('new Date()', 'ctx.currentUtcDateTime', inAsync('const now = ctx.currentUtcDateTime;')),
    },
    {
      code: inAsync('const now = Date();'),
      errors: says('Date()', 'ctx.currentUtcDateTime', inAsync('const now = ctx.currentUtcDateTime.toString();')),
    },
    {
      code: inAsync('crypto.randomUUID();'),
      errors: says('crypto.randomUUID()', 'ctx.newGuid()', inAsync('ctx.newGuid();')),
    },
    {
      code: inDf('const id = crypto.randomUUID();'),
      errors: says(
        'crypto.randomUUID()',
        'context.df.newGuid()',
        inDf('const id = context.df.newGuid(context.df.instanceId);'),
      ),
    },
    {
      code: inDf('const at = new Date();'),
      errors: says('new Date()', 'context.df.currentUtcDateTime', inDf('const at = context.df.currentUtcDateTime;')),
    },
    {
      code: "import { app } from 'perdure/durable-functions'; app.orchestration('O', function* (c) { new Date(); });",
      errors: says(
        'new Date()',
        'c.df.currentUtcDateTime',
        "import { app } from 'perdure/durable-functions'; app.orchestration('O', function* (c) { c.df.currentUtcDateTime; });",
      ),
    },
    { code: inAsync('Math.random();'), errors: says('Math.random()', 'ctx.newGuid(), or an activity') },
    { code: inAsync('performance.now();'), errors: named('performance.now()') },
    { code: inAsync('crypto.getRandomValues(input);'), errors: named('crypto.getRandomValues()') },
    { code: inAsync('setTimeout(() => {}, 1);'), errors: says('setTimeout()', 'ctx.createTimer(…)') },
    { code: inAsync('setInterval(() => {}, 1);'), errors: named('setInterval()') },
    { code: inAsync('setImmediate(() => {});'), errors: named('setImmediate()') },
    { code: inAsync('await fetch("x");'), errors: says('fetch()', 'ctx.callHttp(…), or an activity') },
    {
      code: inAsync('if (process.env.HOME) {}'),
      errors: says('process.env', "the orchestration's input, or an activity"),
    },
    { code: inAsync('const { HOME } = process.env; HOME;'), errors: named('process.env') },
    { code: inAsync('process.hrtime.bigint();'), errors: named('process.hrtime()') },
    { code: inAsync('console.log("x");'), errors: says('console.log()', 'ctx.log.info') },
    // Handed on instead of called.
    { code: inAsync('input.map(Math.random);'), errors: named('Math.random') },
    { code: inAsync('const o = { now: Date.now };'), errors: named('Date.now') },
    // By another name.
    { code: 'const { random } = Math;' + inAsync('random();'), errors: named('Math.random()') },
    { code: 'const { random: dice } = Math;' + inAsync('dice();'), errors: named('Math.random()') },
    {
      code: 'const now = Date.now;' + inAsync('now();'),
      errors: says(
        'Date.now()',
        'ctx.currentUtcDateTime.getTime()',
        'const now = Date.now;' + inAsync('ctx.currentUtcDateTime.getTime();'),
      ),
    },
    { code: 'const M = Math;' + inAsync('M.random();'), errors: named('Math.random()') },
    { code: inAsync('globalThis.Math.random();'), errors: named('Math.random()') },
    { code: inAsync('Math["random"]();'), errors: named('Math.random()') },
    { code: inAsync('globalThis.fetch("x");'), errors: named('fetch()') },
    // Modules.
    {
      code: "import { setTimeout } from 'node:timers/promises';" + inAsync('await setTimeout(1);'),
      errors: named('node:timers/promises.setTimeout()'),
    },
    {
      code: "import { setTimeout as sleep } from 'timers/promises';" + inAsync('await sleep(1);'),
      errors: named('node:timers/promises.setTimeout()'),
    },
    { code: "import fs from 'node:fs';" + inAsync('fs.readFileSync("x");'), errors: named('node:fs.readFileSync()') },
    {
      code: "import * as fs from 'fs/promises';" + inAsync('await fs.readFile("x");'),
      errors: named('node:fs/promises.readFile()'),
    },
    { code: "const fs = require('fs');" + inAsync('fs.readFileSync("x");'), errors: named('node:fs.readFileSync()') },
    {
      code: "const { readFileSync } = require('node:fs');" + inAsync('readFileSync("x");'),
      errors: named('node:fs.readFileSync()'),
    },
    { code: "import web from 'node:http';" + inAsync('web.get("x");'), errors: named('node:http.get()') },
    { code: "import axios from 'axios';" + inAsync('await axios.get("x");'), errors: named('axios.get()') },
    { code: "import axios from 'axios';" + inAsync('await axios("x");'), errors: named('axios()') },
    {
      code: "import { randomUUID } from 'node:crypto';" + inAsync('randomUUID();'),
      errors: says(
        'node:crypto.randomUUID()',
        'ctx.newGuid()',
        "import { randomUUID } from 'node:crypto';" + inAsync('ctx.newGuid();'),
      ),
    },
    {
      code: "import { v4 as uuid } from 'uuid';" + inAsync('uuid();'),
      errors: says('uuid.v4()', 'ctx.newGuid()', "import { v4 as uuid } from 'uuid';" + inAsync('ctx.newGuid();')),
    },
    // Kinds of bodies.
    { code: inGenerator('yield ctx.createTimer(Math.random());'), errors: named('Math.random()') },
    {
      code: "import { orchestration } from 'perdure'; orchestration('O', async function* (ctx) { Math.random(); });",
      errors: named('Math.random()'),
    },
    {
      code: "import { orchestration as define } from 'perdure'; define('O', (ctx) => Math.random());",
      errors: named('Math.random()'),
    },
    {
      code: "const { orchestration } = require('perdure'); orchestration('O', (ctx) => Math.random());",
      errors: named('Math.random()'),
    },
    {
      code: "import * as perdure from 'perdure'; perdure.orchestration('O', (ctx) => Math.random());",
      errors: named('Math.random()'),
    },
    {
      code: "import { app } from 'durable-functions'; app.orchestration('O', function* (context) { Math.random(); });",
      errors: named('Math.random()'),
    },
    {
      code: "const df = require('durable-functions'); df.app.orchestration('O', function* (context) { Math.random(); });",
      errors: named('Math.random()'),
    },
    {
      code: "import { app } from 'durable-functions'; app.orchestration('O', { handler: function* (context) { Math.random(); } });",
      errors: named('Math.random()'),
    },
    {
      code: "import { orchestration } from 'perdure'; async function body(ctx) { Math.random(); } orchestration('O', body);",
      errors: named('Math.random()'),
    },
    {
      code: "import { orchestration } from 'perdure'; const body = async (ctx) => { Math.random(); }; orchestration('O', body);",
      errors: named('Math.random()'),
    },
    // Callbacks, helpers, helpers of helpers, methods.
    { code: inAsync('input.map((x) => x + Math.random());'), errors: named('Math.random()') },
    {
      code: inAsync('a();') + ' function a() { b(); } function b() { Math.random(); }',
      errors: named('Math.random()'),
    },
    { code: inAsync('a(); a();') + ' const a = () => Math.random();', errors: named('Math.random()') },
    {
      code: "import { orchestration } from 'perdure'; class F { static async run(ctx) { Math.random(); } } orchestration('O', F.run);",
      errors: named('Math.random()'),
    },
    {
      code: 'class F { go() { return this.#dice(); } #dice() { return Math.random(); } }' + inAsync('new F().go();'),
      errors: named('Math.random()'),
    },
    {
      code: 'class F { go() { return Math.random(); } }' + inAsync('const f = new F(); f.go();'),
      errors: named('Math.random()'),
    },
    {
      code: 'const steps = { roll() { return Math.random(); } };' + inAsync('steps.roll();'),
      errors: named('Math.random()'),
    },
    // No suggestion where the name of the context means something else.
    {
      code: inAsync('{ const ctx = 1; Date.now(); }'),
      errors: [{ messageId: 'forbidden', suggestions: [] }],
    },
  ],
});

typeScript.run('no-nondeterminism in TypeScript', noNondeterminism, {
  valid: [
    inAsync('const at: Date = ctx.currentUtcDateTime; type T = Date; const x = input as typeof Math;'),
    "import { orchestration, type OrchestrationContext } from 'perdure'; interface Math { random(): number } orchestration('O', async (ctx: OrchestrationContext, m: Math) => m.random());",
  ],
  invalid: [
    { code: inAsync('const n = (Math as any).random() as number;'), errors: named('Math.random()') },
    { code: inAsync('const n = Math!.random!();'), errors: named('Math.random()') },
    { code: inAsync('const n = globalThis?.Math?.random();'), errors: named('Math.random()') },
    {
      code: "import { orchestration, type OrchestrationContext } from 'perdure'; orchestration<void>('O', async (c: OrchestrationContext) => { c.newGuid(); Date.now(); });",
      errors: says(
        'Date.now()',
        'c.currentUtcDateTime.getTime()',
        "import { orchestration, type OrchestrationContext } from 'perdure'; orchestration<void>('O', async (c: OrchestrationContext) => { c.newGuid(); c.currentUtcDateTime.getTime(); });",
      ),
    },
  ],
});
