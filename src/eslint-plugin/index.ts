/**
 * `perdure/eslint-plugin`: rules for those who write orchestrators. For ESLint 9 and newer, flat configuration:
 *
 *     import perdure from 'perdure/eslint-plugin';
 *     export default [perdure.configs.recommended];
 */
import type { ESLint, Linter, Rule } from 'eslint';
import { awaitOnlyTasks } from './rules/await-only-tasks.ts';
import { noForgottenTasks } from './rules/no-forgotten-tasks.ts';
import { noNondeterminism } from './rules/no-nondeterminism.ts';

/** The plugin's rules by their names. */
export interface PerdureRules extends Record<string, Rule.RuleModule> {
  readonly 'no-nondeterminism': Rule.RuleModule;
  readonly 'await-only-tasks': Rule.RuleModule;
  readonly 'no-forgotten-tasks': Rule.RuleModule;
}

/** What the module exports. */
export interface PerdurePlugin extends ESLint.Plugin {
  readonly rules: PerdureRules;
  readonly configs: { readonly recommended: Linter.Config };
}

const rules: PerdureRules = {
  'no-nondeterminism': noNondeterminism,
  'await-only-tasks': awaitOnlyTasks,
  'no-forgotten-tasks': noForgottenTasks,
};
const meta = { name: 'perdure/eslint-plugin', namespace: 'perdure' };

const plugin: PerdurePlugin = {
  meta,
  rules,
  configs: {
    recommended: {
      name: 'perdure/recommended',
      plugins: { perdure: { meta, rules } },
      rules: {
        'perdure/no-nondeterminism': 'error',
        'perdure/await-only-tasks': 'error',
        'perdure/no-forgotten-tasks': 'warn',
      },
    },
  },
};

export default plugin;
