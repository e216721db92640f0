import { Command } from 'commander';
import { visible } from '../printer.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { orUnknown } from '../unknown-instance.ts';

/** `perdure restart`. */
export function restartCommand(at: Surroundings): Command {
  return onService(new Command('restart'))
    .summary('start the same orchestration with the same input again')
    .description('Starts the same orchestration with the same input, version and tags again, and prints the id.')
    .argument('<instanceId>', 'the instance')
    .option('--same-id', 'under the same id, in place of the ended instance')
    .action(async (instanceId: string, flags: ServiceFlags & { readonly sameId?: boolean }) => {
      const { client, printer, json } = connect(at, flags);
      const restarted = client.restart(instanceId, { restartWithNewInstanceId: flags.sameId !== true });
      const id = await orUnknown(client, instanceId, restarted);
      printer.line(json ? JSON.stringify({ instanceId: id }) : visible(id));
    });
}
