import { Command } from 'commander';
import { visible } from '../printer.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { future, readJsonText } from '../values.ts';
import { readEntityId } from './entities.ts';

interface SignalFlags extends ServiceFlags {
  readonly input?: string;
  readonly at?: Date;
}

/** `perdure signal-entity`. */
export function signalEntityCommand(at: Surroundings): Command {
  return onService(new Command('signal-entity'))
    .summary('send an operation to an entity')
    .description('Sends an operation to an entity, which it creates. Nobody learns what came of it.')
    .argument('<entityId>', 'such as @counter@k1')
    .argument('<operation>', 'name of the operation')
    .option('--input <json>', 'JSON, @file, or - for the standard input')
    .option('--at <time>', "not before: a time, or in how long, such as '2h'", future)
    .action(async (entityId: string, operation: string, flags: SignalFlags) => {
      const { client, printer, json } = connect(at, flags);
      const input = await readJsonText(at, '--input', flags.input);
      await client.signalEntityText({
        entity: readEntityId(entityId),
        operation,
        ...(input === undefined ? {} : { input }),
        ...(flags.at === undefined ? {} : { scheduledTime: flags.at }),
      });
      printer.line(
        json ? JSON.stringify({ entityId, operation }) : `operation ${visible(operation)} sent to ${visible(entityId)}`,
      );
    });
}
