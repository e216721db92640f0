/**
 * `npm test`: everything that proves the project. `--checks` leaves out build and tests. Other arguments go to vitest.
 * All steps run, also after one has failed; what a step says is shown only when it failed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const onlyChecks = args.includes('--checks');
const forVitest = args.filter((arg) => arg !== '--checks');

/** Longest first: two of them share the machine. */
const checks = [
  { name: 'lint', command: ['node_modules/eslint/bin/eslint.js', '.', '--max-warnings=0'] },
  { name: 'types', command: ['node_modules/typescript/bin/tsc', '--noEmit'] },
  ...(onlyChecks ? [] : [{ name: 'build', command: ['scripts/build.mjs', '--if-stale'] }]),
  { name: 'format', command: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'] },
  { name: 'dead exports', command: ['node_modules/knip/bin/knip.js'] },
  { name: 'import cycles', command: ['node_modules/knip/bin/knip.js', '--cycles'] },
  { name: 'OpenAPI is current and sound', command: ['--import', 'tsx', 'scripts/write-openapi.ts', '--check'] },
];

/** More than this, and it is no accident. */
const mostFilesRunAgain = 3;

const queue = [...checks];
const failedChecks = [];
await Promise.all(
  Array.from({ length: Math.min(4, Math.max(2, availableParallelism())) }, async () => {
    for (let check = queue.shift(); check; check = queue.shift()) await runCheck(check);
  }),
);

const tests = onlyChecks ? { passed: 0, failed: 0, skipped: 0 } : await runTests();
const passed = checks.length - failedChecks.length + tests.passed;
const failed = failedChecks.length + tests.failed;
if (failedChecks.length > 0) console.log(`\nFailed: ${failedChecks.join(', ')}`);
const skipped = tests.skipped > 0 ? `, ${tests.skipped} skipped` : '';
console.log(`\n${passed} passed, ${failed} failed${skipped} (${checks.length} checks, the rest tests)`);
process.exitCode = failed === 0 ? 0 : 1;

async function runCheck({ name, command }) {
  const startedAt = performance.now();
  const { code, output } = await run(command, 'pipe');
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)${code === 0 ? '' : `\n${output}`}`);
  if (code !== 0) failedChecks.push(name);
}

/**
 * Tests that fail in few files are run once more, these files alone: what passes then failed by the clock of a busy machine, is
 * named as flaky, and is a defect of the test or of the product to be mended. What fails twice has failed.
 */
async function runTests() {
  const first = await runVitest(forVitest);
  if (first.failed === 0 || first.failedFiles.length === 0 || first.failedFiles.length > mostFilesRunAgain)
    return first;
  console.log(`\nOnce more, alone: ${first.failedFiles.join(', ')}`);
  const second = await runVitest(first.failedFiles);
  if (second.failed === 0 && second.ran) {
    console.log(`\nFLAKY (failed once, then passed alone): ${first.failedTests.join('; ')}`);
    return { ...first, passed: first.passed + first.failedTests.length, failed: 0 };
  }
  return first;
}

/** The counts come from vitest's own report, not from what it prints. */
async function runVitest(filters) {
  const folder = mkdtempSync(join(tmpdir(), 'perdure-report-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { code } = await run(['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...filters], 'inherit');
    const counts = readReport(report);
    // An error outside of tests has no failed test to be counted, and no file to be run again.
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    return counts;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(file) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    const failedFiles = report.testResults.filter(({ status }) => status === 'failed');
    return {
      ran: report.numTotalTests > 0,
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests,
      failedFiles: failedFiles.map(({ name }) => relative(root, name)),
      failedTests: failedFiles.flatMap(({ assertionResults }) =>
        assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName),
      ),
    };
  } catch {
    return { ran: false, passed: 0, failed: 1, skipped: 0, failedFiles: [], failedTests: [] };
  }
}

function run(command, stdio) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, command, { cwd: root, stdio: ['ignore', stdio, stdio] });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
