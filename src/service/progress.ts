/** How far long work is: a bar on a terminal, nothing in a log. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** @param total as far as it is known */
export function showProgress(what: string, total: number): Progress {
  if (!process.stderr.isTTY || total === 0) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar(
    { format: `${what} {bar} {value}/{total} {eta_formatted}`, stream: process.stderr, noTTYOutput: false },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    update: (done) => {
      if (done > bar.getTotal()) bar.setTotal(done);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}
