import { noForgottenTasks } from '../../src/eslint-plugin/rules/no-forgotten-tasks.ts';
import { inAsync, inDf, inGenerator, javaScript } from './support.ts';

const forgotten = (method: string, keyword: string, ...outputs: readonly (readonly [string, string])[]) => [
  {
    messageId: 'forgotten',
    data: { method, keyword },
    suggestions: outputs.map(([messageId, output]) => ({ messageId, output })),
  },
];

javaScript.run('no-forgotten-tasks', noForgottenTasks, {
  valid: [
    inAsync('await ctx.callActivity("A"); const t = ctx.callActivity("B"); await t;'),
    inAsync('void ctx.callActivity("A");'),
    inAsync('ctx.setCustomStatus("x"); ctx.signalEntity(input, "add"); ctx.continueAsNew(input); ctx.newGuid();'),
    inAsync('return ctx.callActivity("A");'),
    inAsync('const tasks = []; tasks.push(ctx.callActivity("A")); await ctx.all(tasks);'),
    inGenerator('yield ctx.callActivity("A");'),
    'const ctx = { callActivity() {} }; ctx.callActivity("A");',
  ],
  invalid: [
    {
      code: inAsync('ctx.callActivity("A");'),
      errors: forgotten(
        'callActivity',
        'await',
        ['wait', inAsync('await ctx.callActivity("A");')],
        ['void', inAsync('void ctx.callActivity("A");')],
      ),
    },
    {
      code: inDf('context.df.callSubOrchestrator("O");'),
      errors: forgotten(
        'callSubOrchestrator',
        'yield',
        ['wait', inDf('yield context.df.callSubOrchestrator("O");')],
        ['void', inDf('void context.df.callSubOrchestrator("O");')],
      ),
    },
    {
      code: inAsync('input.forEach((x) => { ctx.createTimer(1); });'),
      errors: forgotten('createTimer', 'await', [
        'void',
        inAsync('input.forEach((x) => { void ctx.createTimer(1); });'),
      ]),
    },
  ],
});
