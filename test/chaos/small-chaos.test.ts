/** A minute of faults (decision 37): no promise is broken. `npm run chaos` does the same for longer. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runChaos } from '../../chaos/run-chaos.ts';
import { build } from '../../scripts/build.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('keeps every promise while nodes, connections and Postgres are broken', { timeout: 180_000 }, async () => {
  build({ root, onlyIfStale: true, quiet: true });
  const faults = {
    kill: 4,
    term: 1,
    stop: 1,
    'postgres-crash': 1,
    'terminate-backends': 1,
    reset: 2,
    'cut-before': 2,
    'cut-after': 2,
    blackhole: 1,
    refuse: 1,
    slow: 1,
  };
  const { violations, table, evidence } = await runChaos({
    seed: 6,
    durationMs: 20_000,
    orchestrations: 60,
    faults,
    leaseMs: 1_000,
    pollMs: 100,
    root,
    command: 'npx vitest run test/chaos/small-chaos.test.ts',
  });
  console.log(table);
  expect(violations).toEqual([]);
  expect(evidence.faults).toHaveLength(Object.values(faults).reduce((sum, count) => sum + count, 0));
  expect(evidence.stuck).toEqual([]);
});
