import { Command } from 'commander';
import type { RetentionFlags } from '../../retention-settings.ts';
import { type HubFlags, onHub, onRetention } from './hub-flags.ts';

/** What `perdure retention` was asked to do. */
export interface RetentionRequest extends HubFlags, RetentionFlags {
  /** Say what would go now. */
  readonly dryRun?: boolean;
  /** Remove it now. */
  readonly now?: boolean;
}

/** `perdure retention`: looks at, or does, what the workers of a hub do once an hour. */
export function retentionCommand(run: (request: RetentionRequest) => Promise<void>): Command {
  return onRetention(onHub(new Command('retention')))
    .summary('show what retention has removed, would remove, or remove it now')
    .description(
      'What has ended is removed after 90 days, by the workers of its hub. Without a flag this shows how far they are.',
    )
    .option('--dry-run', 'how many of which name and status would go now, by the times of the flags given here')
    .option('--now', 'remove them now')
    .action((flags: RetentionRequest) => run(flags));
}
