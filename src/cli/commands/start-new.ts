import { Command, Option } from 'commander';
import { existingPolicies } from '../../client/client.ts';
import type { Tags } from '../../model/instance.ts';
import { onService, connect, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { duration, future, readJsonText, tag } from '../values.ts';
import { awaitEnd } from './wait.ts';

interface StartNewFlags extends ServiceFlags {
  readonly id?: string;
  readonly input?: string;
  readonly version?: string;
  readonly tag?: Tags;
  readonly at?: Date;
  readonly onExisting?: (typeof existingPolicies)[number];
  readonly wait?: number | true;
}

/** `perdure start-new`. */
export function startNewCommand(at: Surroundings): Command {
  return onService(new Command('start-new'))
    .summary('start an orchestration')
    .description('Starts an orchestration and prints the id of its instance.')
    .argument('<orchestration>', 'its name')
    .option('--id <instanceId>', 'id of the instance (default: a new one)')
    .option('--input <json>', 'JSON, @file, or - for the standard input')
    .option('--version <version>', 'version of the orchestration')
    .option('--tag <name=value>', 'a tag; may be repeated', tag)
    .option('--at <time>', "not before: a time, or in how long, such as '2h'", future)
    .addOption(
      new Option('--on-existing <policy>', 'when the id is taken (default: replace an ended one)').choices(
        existingPolicies,
      ),
    )
    .option('--wait [time]', 'wait for the end, for so long at most, and print the output', duration)
    .action(async (name: string, flags: StartNewFlags) => {
      const service = connect(at, flags);
      const { client, printer, json } = service;
      const input = await readJsonText(at, '--input', flags.input);
      const { id, version, tag: tags, at: startAt, onExisting } = flags;
      const instanceId = await client.startNewText({
        name,
        ...(id === undefined ? {} : { instanceId: id }),
        ...(input === undefined ? {} : { input }),
        ...(version === undefined ? {} : { version }),
        ...(tags === undefined ? {} : { tags }),
        ...(startAt === undefined ? {} : { startAt }),
        ...(onExisting === undefined ? {} : { onExisting }),
      });
      if (flags.wait === undefined) {
        return printer.line(json ? JSON.stringify({ instanceId }) : instanceId);
      }
      if (!json) printer.note(instanceId);
      await awaitEnd(service, instanceId, flags.wait === true ? undefined : flags.wait);
    });
}
