/** How far long work is, for who looks at a terminal; nothing anywhere else. */

/** Where it is shown. */
interface Terminal {
  readonly isTTY?: boolean;
}

export interface Progress {
  /** @param done more than was expected makes the whole larger */
  to(done: number): void;
  stop(): void;
}

const silent: Progress = { to: () => undefined, stop: () => undefined };

/**
 * @param what such as `terminating`
 * @param total as far as it is known; 0 shows nothing
 */
export async function openProgress(stream: Terminal, what: string, total: number): Promise<Progress> {
  if (stream.isTTY !== true || total === 0) return silent;
  const { SingleBar, Presets } = await import('cli-progress');
  const bar = new SingleBar(
    {
      format: `${what} {bar} {value}/{total} ({eta_formatted} left)`,
      stream: stream as unknown as NodeJS.WritableStream,
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    to: (done) => {
      if (done > bar.getTotal()) bar.setTotal(done);
      bar.update(done);
    },
    stop: () => bar.stop(),
  };
}
