import { Command } from 'commander';
import { presentOutput, presentStatus } from '../../http/present.ts';
import { CliError, exitCodeOfStatus, exitCodes } from '../exit.ts';
import { visible } from '../printer.ts';
import { connect, onService, type Connected, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { inWords } from '../../model/duration.ts';
import { unknownInstance } from '../unknown-instance.ts';
import { duration } from '../values.ts';

const longestWaitMs = 2 ** 31 - 1;

/** `perdure wait`. */
export function waitCommand(at: Surroundings): Command {
  return onService(new Command('wait'))
    .summary('wait for the end of an instance')
    .description(
      'Waits until an instance has ended and prints its output. Exit codes: 0 Completed, 6 Failed, 7 Terminated, 8 still running.',
    )
    .argument('<instanceId>', 'the instance')
    .option('--timeout <time>', 'give up after it, such as 30s (default: never)', duration)
    .action((instanceId: string, flags: ServiceFlags & { readonly timeout?: number }) =>
      awaitEnd(connect(at, flags), instanceId, flags.timeout),
    );
}

/**
 * Prints how it ended: the output, or with `--json` the status.
 * @throws CliError unless it completed
 */
export async function awaitEnd(
  { client, printer, json, at }: Connected,
  instanceId: string,
  timeoutMs = longestWaitMs,
): Promise<void> {
  const instance = await client.waitForCompletion(instanceId, { timeoutMs, signal: at.signal });
  if (instance === undefined) throw await unknownInstance(client, instanceId);
  const { runtimeStatus, failure, output } = instance;
  const exitCode = exitCodeOfStatus(runtimeStatus);
  if (json) printer.line(presentStatus(instance, { input: true, history: false, historyOutput: false }));
  else if (exitCode === exitCodes.ok) printer.line(presentOutput(instance));
  if (exitCode === exitCodes.ok) return;
  const id = visible(instanceId);
  if (exitCode === exitCodes.timeout) {
    const why = at.signal.aborted ? '' : ` after ${inWords(timeoutMs)}`;
    throw new CliError(
      exitCode,
      `'${id}' is still ${runtimeStatus}${why}: perdure explain ${id} says what it waits for.`,
    );
  }
  const reason = failure === null ? output : `${failure.errorType}: ${failure.message}`;
  throw new CliError(exitCode, `'${id}' ended as ${runtimeStatus}${reason === null ? '' : `: ${visible(reason)}`}`);
}
