import { Command } from 'commander';
import type { Explanation } from '../../model/explanation.ts';
import { visible, type Printer } from '../printer.ts';
import { connect, onService, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { unknownInstance } from '../unknown-instance.ts';
import { look, watchOption } from '../watch.ts';

/** `perdure explain`. */
export function explainCommand(at: Surroundings): Command {
  return onService(new Command('explain'))
    .summary('say what an instance waits for')
    .description('Says in a sentence what an instance waits for or why it does not move, and what would move it.')
    .argument('<instanceId>', 'the instance')
    .addOption(watchOption('say it again until it has ended'))
    .action((instanceId: string, flags: ServiceFlags & { readonly watch?: number | true }) =>
      look(at, flags.watch, async (now) => {
        const { client, printer, json } = connect(now, flags);
        const explanation = await client.explain(instanceId);
        if (explanation === undefined) throw await unknownInstance(client, instanceId);
        if (json) printer.line(JSON.stringify(explanation));
        else show(printer, explanation, now.env);
        return !['completed', 'failed', 'poisoned', 'terminated'].includes(explanation.kind);
      }),
    );
}

function show(printer: Printer, { sentence, suggestions: all }: Explanation, env: Surroundings['env']): void {
  printer.line(visible(sentence));
  if (all.length === 0) return;
  // Who came through npx has no perdure to copy the line to.
  const before = env['npm_command'] === 'exec' ? 'npx ' : '';
  const suggestions = all.map(({ command, effect }) => ({ command: before + command, effect }));
  const width = Math.max(...suggestions.map(({ command }) => command.length));
  for (const { command, effect } of suggestions) {
    const shown = visible(command);
    printer.line(
      `  ${printer.colours.bold(shown)}${' '.repeat(width - command.length + 2)}${printer.colours.dim(effect)}`,
    );
  }
}
