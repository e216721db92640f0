/**
 * Sub-orchestrations: an orchestration as a step of another one, with a history, a status and retries of its own. Here a
 * new office gets laptops: setting one up is a job of several steps, and they are set up side by side.
 */
import { activity, orchestration } from 'perdure';

export const openOffice = orchestration('OpenOffice', async (ctx, people: readonly string[]) => {
  const laptops = await Promise.all(
    people.map((person) =>
      ctx.callSubOrchestrator(setUpLaptop, person, {
        // Without an id of yours it gets one that nobody has to know. With this one it can be looked at by name.
        instanceId: `${ctx.instanceId}-${person}`,
        // The whole job again, from its first step, when it has failed.
        retry: { firstRetryIntervalInMilliseconds: 1_000, maxNumberOfAttempts: 3 },
      }),
    ),
  );
  return { laptops };
});

// An orchestration like any other: it may be started alone, too.
export const setUpLaptop = orchestration('SetUpLaptop', async (ctx, person: string) => {
  const serial = await ctx.callActivity(takeFromStock, person);
  ctx.setCustomStatus({ serial, step: 'installing' });
  await ctx.callActivity(install, serial);
  return serial;
});

export const takeFromStock = activity('TakeFromStock', async (person: string) => `LT-${person.toUpperCase()}`);

export const install = activity('Install', async (serial: string, ctx) => {
  ctx.log.info('installed', { serial });
});
