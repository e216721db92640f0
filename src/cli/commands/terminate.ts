import type { Command } from 'commander';
import { verbCommand } from '../act.ts';
import type { Surroundings } from '../surroundings.ts';

/** `perdure terminate`. */
export function terminateCommand(at: Surroundings): Command {
  return verbCommand(at, {
    operation: 'terminate',
    summary: 'end instances',
    description: 'Ends live instances; the reason becomes their output.',
    done: 'terminated',
    doing: 'terminating',
    recursive: 'their live sub-orchestrations too, and theirs',
  });
}
