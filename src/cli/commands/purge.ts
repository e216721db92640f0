import { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import type { HttpClient } from '../../http-client/index.ts';
import type { InstanceFilter } from '../../model/instance.ts';
import { openProgress, type Progress } from '../../progress.ts';
import { actOnEach, amount, askFirst, checkTarget, forMany, report, type ManyFlags } from '../act.ts';
import { connect, type Connected } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { unknownInstance } from '../unknown-instance.ts';

interface PurgeFlags extends ManyFlags {
  readonly recursive?: boolean;
}

const lookEveryMs = 1_000;

/** `perdure purge`. */
export function purgeCommand(at: Surroundings): Command {
  return forMany(new Command('purge'))
    .summary('remove ended instances with everything they left')
    .description('Removes ended instances with their histories, for good. Live ones are never removed.')
    .argument('[instanceId...]', 'instances')
    .option('--recursive', 'of named instances: their sub-orchestrations too, if all have ended')
    .action(async (ids: readonly string[], flags: PurgeFlags) => {
      const service = connect(at, flags);
      const filter = checkTarget('purge', ids, flags);
      if (filter !== undefined) return purgeMany(service, filter, flags);
      const { client } = service;
      await actOnEach(service, ids, {
        dryRun: flags.dryRun === true,
        done: 'purged',
        perform: async (id) => {
          const { instancesDeleted } = await client.purgeInstanceHistory(id, { recursive: flags.recursive === true });
          if (instancesDeleted === 0) throw await unknownInstance(client, id);
        },
      });
    });
}

async function purgeMany(
  { client, printer, json, at }: Connected,
  filter: InstanceFilter,
  flags: PurgeFlags,
): Promise<void> {
  const total = (await client.purgeInstanceHistoryBy(filter, { dryRun: true })).instancesMatched ?? 0;
  if (flags.dryRun === true) {
    if (json) return printer.line(JSON.stringify(report({ dryRun: true, matched: total, ids: [] })));
    return printer.line(`${amount(total)} would be purged`);
  }
  if (total > 0) await askFirst(at, flags, `purge ${amount(total)} for good`);
  const progress = await openProgress(at.stderr, 'purging', total);
  const done = new AbortController();
  const watched = watch({ client, filter, total, progress, signal: done.signal });
  let instancesDeleted: number;
  try {
    ({ instancesDeleted } = await client.purgeInstanceHistoryBy(filter));
  } finally {
    done.abort();
    await watched;
    progress.stop();
  }
  if (json) return printer.line(JSON.stringify(report({ dryRun: false, matched: instancesDeleted, ids: [] })));
  printer.line(`${amount(instancesDeleted)} purged`);
}

/** One call removes all: how far it is, those say that are left. */
async function watch(look: {
  readonly client: HttpClient;
  readonly filter: InstanceFilter;
  readonly total: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { client, filter, total, progress, signal } = look;
  for (;;) {
    await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const left = await client.purgeInstanceHistoryBy(filter, { dryRun: true }).catch(() => undefined);
    if (left?.instancesMatched !== undefined) progress.to(total - left.instancesMatched);
  }
}
