import { builtinModules } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, globalIgnores } from 'eslint/config';
import { importX, createNodeResolver } from 'eslint-plugin-import-x';
import { tsImport } from 'tsx/esm/api';
import tseslint from 'typescript-eslint';
import { zones } from './eslint.zones.js';

// The rules for those who write orchestrators, from source: the samples are written by their own advice.
const { default: perdure } = await tsImport('./src/eslint-plugin/index.ts', import.meta.url);

const root = fileURLToPath(new URL('.', import.meta.url));
const isFile = (path) => path.endsWith('.ts');
const filesOf = (path) => (isFile(path) ? [`src/${path}`] : [`src/${path}/**`]);

/** Two rules for a row of the table: one for our own files, one for packages and Node's modules. */
function zoneConfig({ files, src, types = [], packages, node }) {
  const own = isFile(files) ? [] : [files];
  const named = packages.filter((name) => !name.startsWith('type:'));
  const onlyTypes = packages.filter((name) => name.startsWith('type:')).map((name) => name.slice('type:'.length));
  const nodeModules = node === 'all' ? builtinModules.flatMap((name) => [name, `node:${name}`]) : node;
  const allowed = [...named, ...nodeModules];
  return {
    name: `zone ${files}`,
    files: filesOf(files),
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        {
          basePath: root,
          zones: [
            {
              target: './src',
              from: './src',
              except: [...own, ...src, ...types].map((path) => `./${path}`),
              message: `src/${files} may import only what eslint.zones.js lists.`,
            },
          ],
        },
      ],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            forbid({ allowed: [...allowed, ...onlyTypes], message: `not a package for src/${files}` }),
            ...(onlyTypes.length === 0
              ? []
              : [{ regex: oneOf(onlyTypes), message: 'only its types', allowTypeImports: true }]),
            ...(types.length === 0
              ? []
              : [{ regex: `^\\.\\.?/.*(${types.join('|')})`, message: 'only types', allowTypeImports: true }]),
          ],
        },
      ],
    },
  };
}

/** Everything that is no relative path and not allowed. */
function forbid({ allowed, message }) {
  const list = allowed.map(pattern).join('|');
  return { regex: `^(?!\\.)${list === '' ? '' : `(?!(${list})$)`}`, message };
}

function oneOf(names) {
  return `^(${names.map(pattern).join('|')})$`;
}

function pattern(name) {
  const text = name.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return name.endsWith('/*') ? `${text.slice(0, -2)}.+` : text;
}

/** The core decides and nothing else: it neither waits nor knows the time nor speaks. */
const nondeterministic = [
  {
    selector: 'CallExpression[callee.object.name="Date"][callee.property.name="now"]',
    message: 'no clock in the core',
  },
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: 'no clock in the core' },
  {
    selector: 'CallExpression[callee.object.name="Math"][callee.property.name="random"]',
    message: 'no chance in the core',
  },
];
const asynchronous = [
  { selector: ':function[async=true]', message: 'the core is synchronous (drive-async.ts alone waits)' },
  { selector: 'AwaitExpression', message: 'the core is synchronous (drive-async.ts alone waits)' },
  { selector: 'ForOfStatement[await=true]', message: 'the core is synchronous (drive-async.ts alone waits)' },
];
const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'];
const outside = ['console', 'process', 'performance', 'fetch', 'crypto', 'clearTimeout', 'clearInterval'];

export default defineConfig(
  // The last is compiled by its test, with types that the test makes.
  globalIgnores(['dist/', 'coverage/', 'bench/node_modules/', 'test/http/fixtures/generated-client.ts']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js'] })],
      'import-x/extensions': ['.ts', '.js'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Callers may be JavaScript: what their values are is checked, whatever the types promise.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/no-unnecessary-type-arguments': 'off',
      // `parse<T>(text)` is how one says what JSON is expected to hold.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Values of users, which may be anything, are described and rejected with as they are.
      '@typescript-eslint/no-base-to-string': 'off',
      '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // An async function without await is how an interface that promises is met.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // What is left out on purpose stands there with its reason.
      'no-empty': ['error', { allowEmptyCatch: false }],
      'no-warning-comments': ['error', { terms: ['fixme', 'xxx', 'hack'] }],
      eqeqeq: 'error',
      'import-x/no-self-import': 'error',
      'import-x/extensions': [
        'error',
        'always',
        // Its own name is a package too, built or not.
        { ignorePackages: true, pathGroupOverrides: [{ pattern: 'perdure/**', action: 'ignore' }] },
      ],
    },
  },
  {
    files: ['src/**'],
    rules: {
      'max-lines': ['error', { max: 400 }],
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'config.ts reads the environment and passes values' },
      ],
    },
  },
  { files: ['src/config.ts'], rules: { 'no-restricted-properties': 'off' } },
  // The store is made of closures: its methods know no `this`.
  { files: ['src/store/postgres/client-store.ts'], rules: { '@typescript-eslint/unbound-method': 'off' } },
  // Anything new below src has to be given its row first.
  {
    name: 'zone of nobody',
    files: ['src/**'],
    rules: {
      'import-x/no-restricted-paths': [
        'error',
        { basePath: root, zones: [{ target: './src', from: './src', message: 'no row in eslint.zones.js' }] },
      ],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!\\.)', message: 'no row in eslint.zones.js' }] },
      ],
    },
  },
  ...zones.map(zoneConfig),
  {
    files: ['src/core/**'],
    rules: {
      'no-restricted-globals': ['error', ...timers, ...outside],
      'no-restricted-syntax': ['error', ...nondeterministic, ...asynchronous],
    },
  },
  {
    files: ['src/core/replay/drive-async.ts'],
    rules: {
      'no-restricted-globals': ['error', 'setTimeout', 'setInterval', ...outside],
      'no-restricted-syntax': ['error', ...nondeterministic],
      // `await undefined` is its point.
      '@typescript-eslint/await-thenable': 'off',
    },
  },
  { files: ['samples/**'], extends: [perdure.configs.recommended] },
  {
    files: ['test/**', 'samples/**', 'chaos/**'],
    rules: {
      // Bodies of answers are whatever the service sent; the assertion that follows is their check.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      // User code throws and awaits anything, and that has to work.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/await-thenable': 'off',
      '@typescript-eslint/no-misused-spread': 'off',
    },
  },
);
