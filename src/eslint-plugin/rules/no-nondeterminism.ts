/** Clocks, chance, timers, the environment and I/O in code that is replayed. */
import type { Rule } from 'eslint';
import { forbiddenBy, type Forbidden } from '../forbidden.ts';
import { walkReplayed, type ReplayedFunction } from '../orchestrators.ts';
import { originOf } from '../origins.ts';
import { child, children, isNode, nameOf, parentOf, rangeOf, variableOf, type Node } from '../syntax.ts';

const time = '{ctx}.currentUtcDateTime';

export const noNondeterminism: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'Orchestrators must do the same in every replay: no clock, chance, timers, environment, I/O' },
    hasSuggestions: true,
    schema: [],
    messages: {
      forbidden: '{{what}} is not the same in every replay of an orchestrator. Use {{instead}}.',
      replace: 'Use {{instead}}.',
    },
  },
  create: (context) => ({
    'Program:exit': () => {
      const { sourceCode } = context;
      walkReplayed(sourceCode, (node, within) => {
        const problem = problemOf(context, node);
        if (problem === undefined) return;
        const { at, forbidden } = problem;
        const instead = forbidden.instead.replaceAll('{ctx}', within.context ?? 'ctx');
        const replacement = forbidden.replacement && replacementOf(context, at, within, forbidden.replacement);
        context.report({
          loc: at.loc ?? { line: 1, column: 0 },
          messageId: 'forbidden',
          data: { what: forbidden.what, instead },
          suggest:
            replacement === undefined
              ? []
              : [
                  {
                    messageId: 'replace',
                    data: { instead: replacement },
                    fix: (fixer) => fixer.replaceTextRange(rangeOf(at), replacement),
                  },
                ],
        });
      });
    },
  }),
};

interface Problem {
  /** What would be replaced. */
  readonly at: Node;
  readonly forbidden: Forbidden;
}

function problemOf({ sourceCode }: Rule.RuleContext, node: Node): Problem | undefined {
  if (node.type !== 'Identifier' && node.type !== 'MemberExpression') return undefined;
  // The whole of `process.env.HOME` is looked at once.
  const around = parentOf(node);
  if (around?.type === 'MemberExpression' && child(around, 'object') === node) {
    if (originOf(sourceCode, around) !== undefined) return undefined;
  }
  if (!isValue(node, around)) return undefined;
  const origin = originOf(sourceCode, node);
  if (origin === undefined) return undefined;
  const call = around !== undefined && child(around, 'callee') === node ? around : undefined;
  if (origin === 'global:Date') return call && dateProblem(call);
  const forbidden = forbiddenBy(origin);
  if (forbidden === undefined) return undefined;
  if (call?.type === 'CallExpression') return { at: call, forbidden: { ...forbidden, what: `${forbidden.what}()` } };
  // A value that is only handed on is no call that could be replaced.
  return { at: node, forbidden: { what: forbidden.what, instead: forbidden.instead } };
}

function dateProblem(call: Node): Problem | undefined {
  if (call.type === 'CallExpression') {
    return { at: call, forbidden: { what: 'Date()', instead: time, replacement: `${time}.toString()` } };
  }
  if (children(call, 'arguments').length > 0) return undefined;
  return { at: call, forbidden: { what: 'new Date()', instead: time, replacement: time } };
}

/** Whether a name is used, and not declared or a key. */
function isValue(node: Node, around: Node | undefined): boolean {
  if (around === undefined || around.type.startsWith('TS') || around.type.startsWith('Import')) return false;
  switch (around.type) {
    case 'MemberExpression':
      return child(around, 'object') === node || around['computed'] === true;
    case 'Property':
      return child(around, 'value') === node && parentOf(around)?.type !== 'ObjectPattern';
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return child(around, 'value') === node || around['computed'] === true;
    case 'VariableDeclarator':
      // An alias made here is reported where it is used.
      return false;
    default:
      return true;
  }
}

/** A replacement only where the context's name means the context. */
function replacementOf(
  { sourceCode }: Rule.RuleContext,
  at: Node,
  { node, context }: ReplayedFunction,
  replacement: string,
): string | undefined {
  const name = context?.split('.')[0];
  if (context === undefined || name === undefined) return undefined;
  const variable = variableOf(sourceCode, at, name);
  const declared: unknown = variable?.defs[0]?.node;
  if (!isNode(declared) || declared !== node || !children(node, 'params').some((it) => nameOf(it) === name)) {
    return undefined;
  }
  // The GUIDs of durable-functions take a text.
  const guid = context.endsWith('.df') ? `newGuid(${context}.instanceId)` : 'newGuid()';
  return replacement.replaceAll('{ctx}', context).replace('newGuid()', guid);
}
