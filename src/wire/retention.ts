import { z } from 'zod';

const count = z.number().int();

const sweep = z
  .object({
    rules: z.string().meta({ description: 'What it removes; the next one goes by the rules of whoever does it.' }),
    beganTime: z.string(),
    endedTime: z.string().nullable().meta({ description: 'Null while it is under way, or was broken off.' }),
    isRunning: z.boolean().meta({ description: 'Whether a process is at it.' }),
    reachedTime: z.string().nullable().meta({
      description: 'It has looked at everything that was created before. Null: it is at the beginning.',
    }),
    removed: count.meta({ description: 'Instances that it has removed.' }),
    kept: count.meta({ description: 'Trees that were due and stay: something in them has not ended, or too lately.' }),
    error: z.string().nullable().meta({ description: 'Why its last step failed; it is gone on with.' }),
  })
  .meta({ id: 'RetentionSweep' });

const dueRow = z.object({
  name: z.string(),
  runtimeStatus: z.string(),
  roots: count.meta({ description: 'Orchestrations that nobody calls any more.' }),
  instances: count.meta({ description: 'With their sub-orchestrations.' }),
  firstEndedTime: z.string(),
  lastEndedTime: z.string(),
});

/** How far retention is in the hub that a process serves. */
export const retentionState = z
  .object({
    taskHub: z.string(),
    rules: z.string().meta({ description: 'For how long what has ended is kept, as this process is told.' }),
    removedTotal: count.meta({ description: 'Instances that were ever removed.' }),
    lastSweep: sweep.nullable().meta({ description: 'The one that is under way, or the last. Null: there was none.' }),
    nextSweepTime: z.string().nullable().meta({
      description:
        'From when on a worker begins the next one, or goes on with one that was broken off; a time that has passed means within a minute. Null while one is under way, and when everything is kept for ever.',
    }),
    due: z
      .object({
        instances: count,
        kept: count.meta({ description: 'Trees that are due and would stay.' }),
        isComplete: z.boolean().meta({ description: 'False: counting took too long; there may be more.' }),
        byName: z.array(dueRow),
      })
      .meta({ description: 'What a sweep would remove now.' }),
  })
  .meta({
    id: 'RetentionState',
    examples: [
      {
        taskHub: 'default',
        rules: 'completed=30d, failed=180d, terminated=30d',
        removedTotal: 51_200,
        lastSweep: {
          rules: 'completed=30d, failed=180d, terminated=30d',
          beganTime: '2024-05-01T08:00:00.123Z',
          endedTime: '2024-05-01T08:00:41.456Z',
          isRunning: false,
          reachedTime: null,
          removed: 1_204,
          kept: 3,
          error: null,
        },
        nextSweepTime: '2024-05-01T09:00:41.456Z',
        due: {
          instances: 12,
          kept: 3,
          isComplete: true,
          byName: [
            {
              name: 'OrderOrchestrator',
              runtimeStatus: 'Completed',
              roots: 4,
              instances: 12,
              firstEndedTime: '2024-04-01T07:12:00.000Z',
              lastEndedTime: '2024-04-01T08:20:00.000Z',
            },
          ],
        },
      },
    ],
  });
export type RetentionStateBody = z.infer<typeof retentionState>;
