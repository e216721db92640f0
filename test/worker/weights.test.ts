import { expect, it } from 'vitest';
import { weightOfEvents } from '../../src/worker/committer.ts';

it('F76 what is remembered of an instance weighs what its payloads weigh, not how many events it has', () => {
  const completed = (length: number) =>
    ({ type: 'TaskCompleted', timestamp: 0, taskId: 1, result: 'x'.repeat(length) }) as never;
  const light = weightOfEvents([completed(0), completed(0)]);
  expect(light).toBeGreaterThan(0);
  expect(weightOfEvents([completed(4_000_000), completed(1_000)]) - light).toBe(4_001_000);
});
