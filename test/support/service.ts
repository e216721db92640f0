/** The built service as a process of its own, as users run it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { build } from '../../scripts/build.mjs';
import { waitFor } from './wait-for.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** How a process ended: with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Service {
  /** Where HTTP answers; empty for a process without HTTP. */
  readonly url: string;
  readonly pid: number;
  /** Everything it said so far. */
  output(): string;
  /** Resolves when it has ended, however. */
  readonly exited: Promise<Exit>;
  /** Sends a signal and waits for the end. */
  end(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<Exit>;
}

export interface ServiceOptions {
  /** Relative to the project: `samples/order`. */
  readonly modules: readonly string[];
  /** Where it is started. Default: the project's folder. */
  readonly workingDirectory?: string;
  /** Flags of `perdure start`. */
  readonly flags?: readonly string[];
  /** Where the version is that is started, see `versions.ts`. Default: this one. */
  readonly version?: string;
  /** A program and its flags, which starts it with what follows. */
  readonly wrapper?: readonly string[];
  /** Flags of Node. */
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** That of the test's context, in tests that run at the same time. */
  readonly whenFinished?: (stop: () => Promise<void>) => void;
}

/** Starts it on a free port and waits until it is ready. It is killed when the test ends, if it has not ended. */
export async function startService({
  modules,
  workingDirectory = root,
  flags = [],
  version = root,
  wrapper = [],
  nodeFlags = [],
  env = {},
  whenFinished = onTestFinished,
}: ServiceOptions): Promise<Service> {
  build({ onlyIfStale: true, quiet: true });
  const [program, ...parts] = [...wrapper, process.execPath];
  const child = spawn(
    program,
    [
      ...parts,
      ...nodeFlags,
      join(version, 'dist/main.js'),
      'start',
      ...modules.map((path) => join(root, path)),
      ...['--port', '0', '--log-format', 'json', ...flags],
    ],
    { cwd: workingDirectory, env: { ...ownEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = exitOf(child);
  whenFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let output = '';
  let ready: { readonly url?: string } | undefined;
  const hear = (line: string): void => {
    output += `${line}\n`;
    const entry = parse(line);
    if (entry?.msg === 'ready') ready = entry;
  };
  createInterface({ input: child.stdout }).on('line', hear);
  createInterface({ input: child.stderr }).on('line', hear);
  const { url = '' } = await waitFor(
    () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the service ended instead of starting:\n${output}`);
      return ready;
    },
    { timeoutMs: 90_000, what: 'the service to be ready' },
  ).catch((error: unknown) => {
    throw new Error(`the service did not become ready; it said:\n${output}`, { cause: error });
  });
  return {
    url,
    pid: child.pid ?? 0,
    output: () => output,
    exited,
    end: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}

/** Settings of whoever runs the tests are not the service's. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(PERDURE_|DATABASE_URL$|DIRECT_DATABASE_URL$|HOST$|PORT$|NODE_OPTIONS$|VITEST)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  await once(child, 'exit');
  return { code: child.exitCode, signal: child.signalCode };
}

function parse(line: string): { readonly msg?: string; readonly url?: string } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // prose, for people
  }
}
