/** Awaits and yields, in code that is replayed, of something that no event of a history answers. */
import type { Rule, SourceCode } from 'eslint';
import { durabilityOf, type Classified } from '../durability.ts';
import { forbiddenBy } from '../forbidden.ts';
import { replayedFunctions, walkReplayed, type ReplayedFunction } from '../orchestrators.ts';
import { originOf } from '../origins.ts';
import { child, functionAround, type Node } from '../syntax.ts';

export const awaitOnlyTasks: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Orchestrators may only await tasks of their context' },
    schema: [
      {
        type: 'object',
        properties: {
          tasks: {
            description: 'Names of functions of other files whose results are tasks, or promises of tasks.',
            type: 'array',
            items: { type: 'string' },
            uniqueItems: true,
          },
        },
        additionalProperties: false,
      },
    ],
    defaultOptions: [{ tasks: [] }],
    messages: {
      foreign:
        '{{what}} is no task of the context: no history answers it in a replay. Do it in an activity, or give {{ctx}} ' +
        'to a helper that awaits tasks.',
      promiseAny: 'Promise.any is no task of the context. Use {{ctx}}.any, which completes with the first task to end.',
      yieldedPromise: 'A generator cannot wait for promises. Use {{ctx}}.{{method}}.',
      yieldedNothing: 'Only tasks can be yielded. Was a call without a result yielded?',
      loop: 'for await takes turns that no history records. Await tasks of {{ctx}} one by one.',
    },
  },
  create: (context) => ({
    'Program:exit': () => {
      const given: Classified = {
        sourceCode: context.sourceCode,
        tasks: new Set(tasksOf(context.options[0])),
        contexts: contextNames(context.sourceCode),
      };
      walkReplayed(context.sourceCode, (node, within) => {
        const problem = problemOf(given, node);
        if (problem === undefined) return;
        const { messageId, data = {} } = problem;
        const loc = node.loc ?? { line: 1, column: 0 };
        context.report({ loc, messageId, data: { ctx: within.context ?? 'ctx', ...data, ...combined(within, data) } });
      });
    },
  }),
};

interface Problem {
  readonly messageId: string;
  readonly data?: Readonly<Record<string, string>>;
}

function problemOf(given: Classified, node: Node): Problem | undefined {
  switch (node.type) {
    case 'AwaitExpression':
      return awaited(given, child(node, 'argument'));
    case 'YieldExpression':
      return node['delegate'] === true ? undefined : yielded(given, node);
    case 'ForOfStatement':
      return node['await'] === true && durabilityOf(given, child(node, 'right')).kind !== 'durable'
        ? { messageId: 'loop' }
        : undefined;
    default:
      return undefined;
  }
}

function awaited(given: Classified, argument: Node | undefined): Problem | undefined {
  const durability = durabilityOf(given, argument);
  switch (durability.kind) {
    case 'promise-any':
      return { messageId: 'promiseAny' };
    case 'foreign':
      // What the other rule has a better word for.
      return isReportedAnyway(given, argument) ? undefined : { messageId: 'foreign', data: { what: durability.what } };
    case 'durable':
    case 'unknown':
      return undefined;
  }
}

function yielded(given: Classified, node: Node): Problem | undefined {
  const argument = child(node, 'argument');
  if (argument === undefined || argument.type === 'Literal') return { messageId: 'yieldedNothing' };
  // JavaScript awaits what an async generator yields.
  if (functionAround(node)?.['async'] === true) return awaited(given, argument);
  const origin = argument.type === 'CallExpression' ? originOf(given.sourceCode, child(argument, 'callee')) : undefined;
  if (origin?.startsWith('global:Promise.') !== true) return undefined;
  return { messageId: 'yieldedPromise', data: { method: /\.(race|any)$/.test(origin) ? 'any' : 'all' } };
}

/** The combinators of `context.df` are elsewhere. */
function combined({ context }: ReplayedFunction, { method }: Readonly<Record<string, string>>): Record<string, string> {
  return method !== undefined && context?.endsWith('.df') === true ? { method: `Task.${method}` } : {};
}

function isReportedAnyway({ sourceCode }: Classified, argument: Node | undefined): boolean {
  const origin = originOf(sourceCode, child(argument, 'callee'));
  return origin !== undefined && forbiddenBy(origin) !== undefined;
}

/** Beside those that functions of this file have, what contexts are called everywhere. */
function contextNames(sourceCode: SourceCode): ReadonlySet<string> {
  const own = replayedFunctions(sourceCode).flatMap(({ context }) => context?.split('.')[0] ?? []);
  return new Set(['ctx', 'context', 'df', ...own]);
}

function tasksOf(options: unknown): readonly string[] {
  if (typeof options !== 'object' || options === null || !('tasks' in options)) return [];
  return Array.isArray(options.tasks) ? options.tasks.filter((name) => typeof name === 'string') : [];
}
