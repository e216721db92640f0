/** The flags that say which instances are meant. */
import type { Command } from 'commander';
import type { InstanceFilter, RuntimeStatus, Tags } from '../model/instance.ts';
import { past, statusList, tag } from './values.ts';

export interface FilterFlags {
  readonly status?: readonly RuntimeStatus[] | undefined;
  readonly name?: string;
  readonly prefix?: string | undefined;
  readonly createdFrom?: Date;
  readonly createdTo?: Date;
  readonly version?: string;
  readonly tag?: Tags;
}

export function withFilter(command: Command): Command {
  return command
    .option('--status <list>', 'in one of these statuses, separated by commas', statusList)
    .option('--name <orchestration>', 'of this orchestration')
    .option('--prefix <text>', 'whose instance id begins so')
    .option('--created-from <time>', "created then or later: a time, or how long ago, such as '2h'", past)
    .option('--created-to <time>', 'created then or earlier', past)
    .option('--version <version>', 'of this version')
    .option('--tag <name=value>', 'with this tag; may be repeated', tag);
}

export function filterOf(flags: FilterFlags): InstanceFilter {
  const { status, name, prefix, createdFrom, createdTo, version, tag: tags } = flags;
  return {
    ...(status === undefined ? {} : { runtimeStatus: status }),
    ...(name === undefined ? {} : { name }),
    ...(prefix === undefined ? {} : { instanceIdPrefix: prefix }),
    ...(createdFrom === undefined ? {} : { createdFrom }),
    ...(createdTo === undefined ? {} : { createdTo }),
    ...(version === undefined ? {} : { version }),
    ...(tags === undefined ? {} : { tags }),
  };
}

/** Whether it says anything. */
export function isEmptyFilter(filter: InstanceFilter): boolean {
  return Object.keys(filter).length === 0;
}
