import { Command } from 'commander';
import { collect, type HubFlags, onHub } from './hub-flags.ts';

/** What `perdure export` was asked for. */
export interface ExportRequest extends HubFlags {
  readonly instance?: readonly string[];
  readonly name?: string;
  readonly runtimeStatus?: string;
  readonly createdFrom?: string;
  readonly createdTo?: string;
  readonly instanceIdPrefix?: string;
  readonly withHistory?: boolean;
  readonly output?: string;
}

/** `perdure export`: instances as JSON Lines. */
export function exportCommand(run: (request: ExportRequest) => Promise<void>): Command {
  return onHub(new Command('export'))
    .summary('write instances as JSON Lines')
    .description(
      'Writes instances as JSON Lines to standard output: a header, a line for each, and a last line that says how many.',
    )
    .option('--instance <id>', 'only this one, may be repeated', collect)
    .option('--name <name>', 'only orchestrations of this name')
    .option('--runtime-status <list>', 'only in these statuses, separated by commas')
    .option('--created-from <time>', 'only those created at or after, such as 2030-01-31T08:00:00Z')
    .option('--created-to <time>', 'only those created at or before')
    .option('--instance-id-prefix <text>', 'only those whose id begins so')
    .option('--with-history', 'with their histories, which an import needs')
    .option('--output <file>', 'write to this file, which must not be there, instead of to standard output')
    .action((flags: ExportRequest) => run(flags));
}
