import { RuleTester } from 'eslint';
import tseslint from 'typescript-eslint';
import { afterAll, describe, it } from 'vitest';

RuleTester.describe = describe;
RuleTester.it = it;
RuleTester.itOnly = it.only;
Object.assign(RuleTester, { afterAll });

export const javaScript = new RuleTester({ languageOptions: { ecmaVersion: 2024, sourceType: 'module' } });
export const typeScript = new RuleTester({ languageOptions: { parser: tseslint.parser } });

const head = "import { orchestration, activity, http } from 'perdure';\n";

/** Statements in an async orchestrator. */
export const inAsync = (code: string): string => `${head}orchestration('O', async (ctx, input) => { ${code} });`;
/** In a generator of perdure. */
export const inGenerator = (code: string): string => `${head}orchestration('O', function* (ctx, input) { ${code} });`;
/** In a generator of durable-functions. */
export const inDf = (code: string): string =>
  `import * as df from 'durable-functions';\ndf.app.orchestration('O', function* (context) { ${code} });`;
