import { Command, Option } from 'commander';
import { type HubFlags, onHub } from './hub-flags.ts';

/** What `perdure import` was asked to do. */
export interface ImportRequest extends HubFlags {
  /** `-` is standard input. */
  readonly file: string;
  readonly existing?: 'skip' | 'refuse';
  readonly skipLive?: boolean;
}

/** `perdure import`: brings back what was exported. */
export function importCommand(run: (request: ImportRequest) => Promise<void>): Command {
  return onHub(new Command('import'))
    .summary('bring back instances that were exported')
    .description(
      'Stores instances from a file of perdure export, or of --retention-export, as they were. What is there already is left alone.',
    )
    .argument('<file>', 'JSON Lines, perhaps compressed with gzip; - for standard input')
    .addOption(
      new Option('--existing <what>', 'when another instance has the id').choices(['skip', 'refuse']).default('skip'),
    )
    .option('--skip-live', 'leave out what had not ended, instead of refusing the file there')
    .action((file: string, flags: Omit<ImportRequest, 'file'>) => run({ ...flags, file }));
}
