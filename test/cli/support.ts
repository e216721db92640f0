/** Runs `perdure` in this process, with streams of a test. */
import { Readable } from 'node:stream';
import { createProgram, type CliActions } from '../../src/cli/main.ts';
import { run } from '../../src/cli/run.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
}

export interface CliOptions {
  /** Of the service. */
  readonly url?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Columns of the terminal; absent: a pipe. */
  readonly terminal?: number;
  readonly signal?: AbortSignal;
  readonly actions?: Partial<CliActions>;
  /** Called with everything that was written so far. */
  readonly onOutput?: (text: string) => void;
}

const unexpected = (): Promise<void> => Promise.reject(new Error('not expected here'));

/** Runs a command line to its end. */
export async function perdure(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  let [out, errors] = ['', ''];
  const tty = options.terminal === undefined ? {} : { isTTY: true, columns: options.terminal };
  const surroundings = {
    stdin: Readable.from(options.stdin === undefined ? [] : [options.stdin]),
    stdout: {
      ...tty,
      write: (text: string) => {
        out += text;
        options.onOutput?.(out);
      },
    },
    stderr: { write: (text: string) => (errors += text) },
    env: { ...(options.url === undefined ? {} : { PERDURE_URL: options.url }), ...options.env },
    signal: options.signal ?? new AbortController().signal,
  };
  const actions: CliActions = {
    start: unexpected,
    keys: unexpected,
    examineDatabase: () => Promise.resolve(undefined),
    migrate: unexpected,
    retention: unexpected,
    export: unexpected,
    import: unexpected,
    ...options.actions,
  };
  const code = await run(createProgram(actions, '1.2.3', surroundings), args, surroundings);
  return { code, out, errors };
}
