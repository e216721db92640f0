import { Command, Option } from 'commander';
import type { InstanceFilter, RuntimeStatus } from '../../model/instance.ts';
import { filterOf, type FilterFlags, withFilter } from '../filters.ts';
import { statusList } from '../values.ts';
import { collect, type HubFlags, onHub } from './hub-flags.ts';

/** What `perdure export` was asked for. */
export interface ExportRequest extends HubFlags {
  readonly instance?: readonly string[];
  readonly filter: InstanceFilter;
  readonly withHistory?: boolean;
  readonly output?: string;
}

type ExportFlags = Omit<ExportRequest, 'filter'> &
  FilterFlags & { readonly runtimeStatus?: readonly RuntimeStatus[]; readonly instanceIdPrefix?: string };

/** `perdure export`: instances as JSON Lines. */
export function exportCommand(run: (request: ExportRequest) => Promise<void>): Command {
  return withFilter(onHub(new Command('export')))
    .summary('write instances as JSON Lines')
    .description(
      'Writes instances as JSON Lines to standard output: a header, a line for each, and a last line that says how many.',
    )
    .option('--instance <id>', 'only this one, may be repeated', collect)
    .addOption(new Option('--runtime-status <list>', 'another name of --status').argParser(statusList).hideHelp())
    .addOption(new Option('--instance-id-prefix <text>', 'another name of --prefix').hideHelp())
    .option('--with-history', 'with their histories, which an import needs')
    .option('--output <file>', 'write to this file, which must not be there, instead of to standard output')
    .action(({ runtimeStatus, instanceIdPrefix, ...flags }: ExportFlags) =>
      run({
        ...flags,
        filter: filterOf({
          ...flags,
          status: flags.status ?? runtimeStatus,
          prefix: flags.prefix ?? instanceIdPrefix,
        }),
      }),
    );
}
