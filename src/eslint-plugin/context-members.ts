/** What the rules know of the context of an orchestrator. Here goes what it gets. */

/** Methods that give a task: to be awaited, yielded or combined. */
export const taskMethods: ReadonlySet<string> = new Set([
  'callActivity',
  'callActivityWithRetry',
  'callEntity',
  'callHttp',
  'callSubOrchestrator',
  'callSubOrchestratorWithRetry',
  'createTimer',
  'lock',
  'waitForExternalEvent',
]);

/** Methods that combine tasks to one: `ctx.all`, `context.df.Task.all`. */
export const compoundMethods: ReadonlySet<string> = new Set(['all', 'any']);

/** Everything by which a context is recognized. */
export const contextMembers: ReadonlySet<string> = new Set([
  ...taskMethods,
  'continueAsNew',
  'currentUtcDateTime',
  'df',
  'getInput',
  'isReplaying',
  'newGuid',
  'sendEvent',
  'setCustomStatus',
  'signalEntity',
]);
