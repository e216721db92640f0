import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest begin first: one that begins last would keep the other processes idle. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const slow = [/\/test\/(?:chaos|faults|e2e)\//, /\/(?:fuzz|lost-answers|store-postgres)/, /\/test\/platform\//];
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = slow.findIndex((pattern) => pattern.test(moduleId));
      return found === -1 ? slow.length : found;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  resolve: {
    // Samples and tests import the package by its own name, as users do; here that is the source, not dist.
    alias: [
      { find: /^perdure$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) },
      { find: /^perdure\/client$/, replacement: fileURLToPath(new URL('src/http-client/index.ts', import.meta.url)) },
      {
        find: /^perdure\/durable-functions$/,
        replacement: fileURLToPath(new URL('src/durable-functions/index.ts', import.meta.url)),
      },
      { find: /^perdure\/testing$/, replacement: fileURLToPath(new URL('src/testing/index.ts', import.meta.url)) },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'samples/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Tests wait more than they compute: for Postgres, for leases to end, for services that they start.
    sequence: { sequencer: LongestFirst },
    maxWorkers: Math.max(4, Math.min(6, availableParallelism())),
    // Files of one process share its modules: loading Perdure and its packages anew for each took a third of the time.
    isolate: false,
    testTimeout: 40_000,
    hookTimeout: 60_000,
    coverage: { include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
