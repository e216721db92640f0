/** How far long work is, for who looks at a terminal; nothing anywhere else. */
import type { Surroundings } from './surroundings.ts';

export interface Progress {
  to(done: number): void;
  stop(): void;
}

const silent: Progress = { to: () => undefined, stop: () => undefined };

/** @param what such as `terminating` */
export async function openProgress(at: Surroundings, what: string, total: number): Promise<Progress> {
  if (at.stderr.isTTY !== true || total === 0) return silent;
  const { SingleBar, Presets } = await import('cli-progress');
  const bar = new SingleBar(
    {
      format: `${what} {bar} {value}/{total} ({eta_formatted} left)`,
      stream: at.stderr as unknown as NodeJS.WritableStream,
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return { to: (done) => bar.update(Math.min(done, total)), stop: () => bar.stop() };
}

/**
 * Asks before something that cannot be undone.
 * @returns `false` for no
 */
export async function confirmed(at: Surroundings, message: string): Promise<boolean> {
  const { confirm } = await import('@inquirer/prompts');
  return await confirm(
    { message, default: false },
    {
      input: at.stdin as unknown as NodeJS.ReadableStream,
      output: at.stderr as unknown as NodeJS.WritableStream,
      signal: at.signal,
    },
  );
}
