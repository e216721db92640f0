/** Where commands read, write and learn of their surroundings; tests give their own. */
import type { Environment } from '../settings.ts';

/** A stream that text is written to. */
export interface TextOutput {
  write(text: string): unknown;
  /** Whether somebody looks at it. */
  readonly isTTY?: boolean;
  /** Characters of a line, of a terminal. */
  readonly columns?: number;
}

export interface Surroundings {
  readonly stdin: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean };
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Environment;
  /** Aborts with Ctrl-C, for commands that go on until then. */
  readonly signal: AbortSignal;
}

/** Whether there is somebody to ask. */
export function isInteractive({ stdin, stderr }: Surroundings): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}
