import { Command } from 'commander';
import { presentStatus } from '../../http/present.ts';
import type { InstanceFilter, OrchestrationInstance } from '../../model/instance.ts';
import { filterOf, withFilter, type FilterFlags } from '../filters.ts';
import { visible } from '../printer.ts';
import { connect, onService, type Connected, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { count } from '../values.ts';
import { look, watchOption } from '../watch.ts';

interface ListFlags extends ServiceFlags, FilterFlags {
  readonly limit: number;
  readonly all?: boolean;
  readonly watch?: number | true;
}

const largestPage = 1_000;

/** `perdure list`. */
export function listCommand(at: Surroundings): Command {
  return withFilter(onService(new Command('list')))
    .summary('list instances')
    .description('Lists instances: by id, or by the time of creation with a filter on status or time.')
    .option('--limit <number>', 'at most so many', count, 50)
    .option('--all', 'all that match, however many')
    .addOption(watchOption('list them again'))
    .action((flags: ListFlags) =>
      look(at, flags.watch, async (now) => {
        await list(connect(now, flags), flags);
        return true;
      }),
    );
}

async function list(service: Connected, flags: ListFlags): Promise<void> {
  const { printer, json } = service;
  const limit = flags.all === true ? Infinity : flags.limit;
  const { instances, hasMore } = await find(service, filterOf(flags), limit);
  if (json) {
    const shown = { input: true, history: false, historyOutput: false };
    return printer.line(`[${instances.map((instance) => presentStatus(instance, shown)).join(',\n')}]`);
  }
  if (instances.length === 0) return printer.note('No instance matches.');
  printer.table(
    ['INSTANCE', 'ORCHESTRATION', 'STATUS', 'CREATED', 'UPDATED'],
    instances.map((instance) => [
      visible(instance.instanceId),
      visible(instance.name),
      printer.status(instance.runtimeStatus),
      printer.when(instance.createdAt),
      printer.when(instance.lastUpdatedAt),
    ]),
  );
  if (hasMore && printer.isTerminal) {
    printer.note(printer.colours.dim(`The first ${instances.length}; --limit or --all show more.`));
  }
}

async function find(
  { client, at }: Connected,
  filter: InstanceFilter,
  limit: number,
): Promise<{ readonly instances: readonly OrchestrationInstance[]; readonly hasMore: boolean }> {
  const instances: OrchestrationInstance[] = [];
  let continuationToken: string | undefined;
  do {
    const page = await client.getStatusBy(filter, {
      limit: Math.min(largestPage, limit - instances.length),
      ...(continuationToken === undefined ? {} : { continuationToken }),
    });
    instances.push(...page.instances);
    continuationToken = page.continuationToken;
  } while (continuationToken !== undefined && instances.length < limit && !at.signal.aborted);
  return { instances, hasMore: continuationToken !== undefined };
}
