/** Runs a command line, and says in a line what went wrong. */
import { CommanderError, type Command } from 'commander';
import { ConfigError } from '../config.ts';
import { DurableError } from '../model/errors.ts';
import { CliError, exitCodeOf, exitCodes, type ExitCode } from './exit.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * Runs it to its end.
 * @param args without node and the program
 * @returns the exit code
 * @throws whatever is no expected error
 */
export async function run(program: Command, args: readonly string[], at: Surroundings): Promise<ExitCode> {
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    // Help and version are an exit to commander; what it has to say is said.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    // Ctrl-C at a question.
    if (error instanceof Error && (error.name === 'ExitPromptError' || error.name === 'AbortPromptError')) {
      at.stderr.write('perdure: nothing was done.\n');
      return exitCodes.failed;
    }
    const said = sayOf(error);
    if (said === undefined) throw error;
    if (said.message !== '') at.stderr.write(`perdure: ${said.message}\n`);
    return said.exitCode;
  }
}

function sayOf(error: unknown): { readonly message: string; readonly exitCode: ExitCode } | undefined {
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) return { message: error.message, exitCode: exitCodes.usage };
  if (error instanceof DurableError) {
    return {
      message: `${error.message}${fixOf(error)}`.replaceAll(/\s*\n\s*/g, ' '),
      exitCode: exitCodeOf(error.code),
    };
  }
  return undefined;
}

/** What to do, where the message does not say it. */
function fixOf({ code, message }: DurableError): string {
  switch (code) {
    case 'Unauthorized':
      return " Give one with --code (PERDURE_CODE); 'perdure keys create' makes them.";
    case 'ServiceUnavailable':
      return message.includes('could not be reached')
        ? " Start one with 'perdure start', or say where it is with --url (PERDURE_URL)."
        : '';
    case 'InstanceNotTerminal':
      return `${message.endsWith('.') ? '' : '.'} 'perdure terminate' ends it.`;
    case 'StoreUnavailable':
      return " The service runs without its database; 'perdure doctor' looks at it.";
    default:
      return '';
  }
}
