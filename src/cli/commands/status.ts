import { Command } from 'commander';
import { presentStatus } from '../../http/present.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import { hasMore, showInstance } from '../show-instance.ts';
import { showHistory } from '../show-history.ts';
import type { Surroundings } from '../surroundings.ts';
import { unknownInstance } from '../unknown-instance.ts';
import { look, watchOption } from '../watch.ts';

interface StatusFlags extends ServiceFlags {
  readonly history?: boolean;
  readonly watch?: number | true;
}

/** `perdure status`. */
export function statusCommand(at: Surroundings): Command {
  return onService(new Command('status'))
    .summary('show an instance')
    .description('Shows an instance: its status, times, custom status, input and output or failure.')
    .argument('<instanceId>', 'the instance')
    .option('--history', 'with what happened so far')
    .addOption(watchOption('show it again until it has ended'))
    .action((instanceId: string, flags: StatusFlags) =>
      look(at, flags.watch, async (now) => {
        const { client, printer, json } = connect(now, flags);
        const history = flags.history === true;
        const instance = await client.getStatus(instanceId, { showHistory: history });
        if (instance === undefined) throw await unknownInstance(client, instanceId);
        if (json) {
          printer.line(presentStatus(instance, { input: true, history, historyOutput: history }));
        } else {
          showInstance(printer, instance);
          if (history) {
            printer.line();
            showHistory(printer, instance.history ?? []);
          }
        }
        return hasMore(instance);
      }),
    );
}
