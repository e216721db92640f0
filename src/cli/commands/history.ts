import { Command } from 'commander';
import type { HistoryEvent } from '../../model/history.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import { showHistory } from '../show-history.ts';
import type { Surroundings } from '../surroundings.ts';
import { unknownInstance } from '../unknown-instance.ts';

/** `perdure history`. */
export function historyCommand(at: Surroundings): Command {
  return onService(new Command('history'))
    .summary('show what happened to an instance')
    .description(
      'Shows the history of the current execution. With --json it is the file that assertReplays of perdure/testing reads.',
    )
    .argument('<instanceId>', 'the instance')
    .option('--event-type <types>', 'only events of these types, separated by commas')
    .action(async (instanceId: string, flags: ServiceFlags & { readonly eventType?: string }) => {
      const { client, printer, json } = connect(at, flags);
      const history = await client.getHistory(instanceId);
      if (history === undefined) throw await unknownInstance(client, instanceId);
      const types = flags.eventType?.split(',').map((type) => type.trim().toLowerCase());
      const isShown = ({ type }: HistoryEvent): boolean => types?.includes(type.toLowerCase()) ?? true;
      if (json) {
        return printer.line(JSON.stringify({ ...history, events: history.events.filter(isShown) }, undefined, 2));
      }
      showHistory(printer, history.events, isShown);
    });
}
