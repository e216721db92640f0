import { Command } from 'commander';
import { visible } from '../printer.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { orUnknown } from '../unknown-instance.ts';
import { readJsonText } from '../values.ts';

/** `perdure raise-event`. */
export function raiseEventCommand(at: Surroundings): Command {
  return onService(new Command('raise-event'))
    .summary('send an event to an instance')
    .description('Sends an event. It is kept until the orchestrator waits for it.')
    .argument('<instanceId>', 'the instance')
    .argument('<event>', 'name of the event')
    .option('--data <json>', 'JSON, @file, or - for the standard input (default: null)')
    .action(async (instanceId: string, event: string, flags: ServiceFlags & { readonly data?: string }) => {
      const { client, printer, json } = connect(at, flags);
      const data = await readJsonText(at, '--data', flags.data);
      await orUnknown(client, instanceId, client.raiseEventText(instanceId, event, data));
      printer.line(
        json ? JSON.stringify({ instanceId, event }) : `event ${visible(event)} sent to ${visible(instanceId)}`,
      );
    });
}
