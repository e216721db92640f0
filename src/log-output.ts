/** Where the log goes. Whoever reads it may be slow, stand still or be gone: that is no reason to stop (F74). */

/** Takes whole lines. */
export interface LogDestination {
  write(line: string): unknown;
}

/** What waits for a reader; more is dropped and counted. */
const maxWaitingBytes = 4 * 1_048_576;

/**
 * Standard output. Files and terminals are written at once; so is a pipe while it has room, and what it has no room for waits
 * beside the work.
 */
export function openOutput(): LogDestination {
  const { stdout } = process;
  let lost = 0;
  let isGone = false;
  const write = (line: string): void => {
    if (isGone) return;
    if (stdout.writableLength > maxWaitingBytes) lost += 1;
    else stdout.write(line);
  };
  // Its reader has ended, or the disk is full.
  stdout.on('error', () => {
    isGone = !stdout.writable;
  });
  stdout.on('drain', () => {
    if (lost === 0) return;
    const entry = { level: 'warn', time: new Date(), lost, msg: 'nobody read the log for a while: lines were lost' };
    lost = 0;
    write(`${JSON.stringify(entry)}\n`);
  });
  return { write };
}
