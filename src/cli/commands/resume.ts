import type { Command } from 'commander';
import { verbCommand } from '../act.ts';
import type { Surroundings } from '../surroundings.ts';

/** `perdure resume`. */
export function resumeCommand(at: Surroundings): Command {
  return verbCommand(at, {
    operation: 'resume',
    summary: 'let suspended instances go on',
    description: 'Lets suspended instances go on.',
    done: 'resumed',
    doing: 'resuming',
  });
}
