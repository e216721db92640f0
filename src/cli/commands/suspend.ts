import type { Command } from 'commander';
import { verbCommand } from '../act.ts';
import type { Surroundings } from '../surroundings.ts';

/** `perdure suspend`. */
export function suspendCommand(at: Surroundings): Command {
  return verbCommand(at, {
    operation: 'suspend',
    summary: 'hold instances until they are resumed',
    description: 'Holds instances: what comes for them is kept, nothing of them goes on.',
    done: 'suspended',
    doing: 'suspending',
  });
}
