import { ESLint } from 'eslint';
import { expect, it } from 'vitest';
import plugin from '../../src/eslint-plugin/index.ts';
import { inAsync } from './support.ts';

it('the recommended configuration brings every rule', async () => {
  const linter = new ESLint({ overrideConfigFile: true, overrideConfig: [plugin.configs.recommended] });
  const [result] = await linter.lintText(inAsync('Math.random(); await Promise.any([]); ctx.callActivity("A");'));
  expect(result?.messages.map(({ ruleId, severity }) => [ruleId, severity])).toEqual([
    ['perdure/no-nondeterminism', 2],
    ['perdure/await-only-tasks', 2],
    ['perdure/no-forgotten-tasks', 1],
  ]);
  expect(Object.keys(plugin.configs.recommended.rules ?? {})).toEqual(
    Object.keys(plugin.rules).map((name) => `perdure/${name}`),
  );
});

it('code that has nothing of orchestrations is left alone, whatever it holds', async () => {
  const linter = new ESLint({ overrideConfigFile: true, overrideConfig: [plugin.configs.recommended] });
  const code =
    'const {a, ...rest} = x; for (const [i,,j] of y) {} label: while (z) break label; class A { static {} get b() { return 1 } } export default function* () { yield* [] }';
  const [result] = await linter.lintText(code);
  expect(result?.messages).toEqual([]);
});
