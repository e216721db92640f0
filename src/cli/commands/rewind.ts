import type { Command } from 'commander';
import { verbCommand } from '../act.ts';
import type { Surroundings } from '../surroundings.ts';

/** `perdure rewind`. */
export function rewindCommand(at: Surroundings): Command {
  return verbCommand(at, {
    operation: 'rewind',
    summary: 'put failed instances back to work',
    description: 'Puts failed instances back to work: what failed runs again, what had succeeded does not.',
    done: 'rewound',
    doing: 'rewinding',
  });
}
