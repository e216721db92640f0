/** Tasks that nobody waits for: they run all the same, but their results and failures are lost. */
import type { Rule } from 'eslint';
import { isTaskCall } from '../durability.ts';
import { walkReplayed } from '../orchestrators.ts';
import { child, functionAround, keyOf, rangeOf } from '../syntax.ts';

export const noForgottenTasks: Rule.RuleModule = {
  meta: {
    type: 'suggestion',
    docs: { description: 'The result of a task is to be awaited, yielded or kept' },
    hasSuggestions: true,
    schema: [],
    messages: {
      forgotten:
        'Nobody waits for this {{method}}: its result and its failure are lost, and the orchestration may end before it ' +
        'does. Write {{keyword}} before it, or void when that is meant.',
      wait: 'Wait for it with {{keyword}}.',
      void: 'Say with void that nobody waits for it.',
    },
  },
  create: (context) => ({
    'Program:exit': () => {
      walkReplayed(context.sourceCode, (node) => {
        const call = child(node, 'expression');
        if (node.type !== 'ExpressionStatement' || call === undefined || !isTaskCall(call)) return;
        const around = functionAround(node);
        const keyword = around?.['generator'] === true ? 'yield' : 'await';
        const [start] = rangeOf(call);
        const insert = (word: string) => (fixer: Rule.RuleFixer) =>
          fixer.insertTextBeforeRange([start, start], `${word} `);
        context.report({
          loc: call.loc ?? { line: 1, column: 0 },
          messageId: 'forgotten',
          data: { method: keyOf(child(call, 'callee') ?? call, 'property') ?? 'task', keyword },
          suggest: [
            ...(around?.['generator'] === true || around?.['async'] === true
              ? [{ messageId: 'wait', data: { keyword }, fix: insert(keyword) }]
              : []),
            { messageId: 'void', fix: insert('void') },
          ],
        });
      });
    },
  }),
};
