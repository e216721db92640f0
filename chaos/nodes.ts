/** The nodes of a run: processes of the built service, which are killed, stopped and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { NodeExit, NodeRecord } from './types.ts';

export interface NodeOptions {
  readonly name: string;
  /** Folder of the project that is built in `dist`. */
  readonly root: string;
  /** What is served. */
  readonly functions: string;
  /** Of its own proxy. */
  readonly databaseUrl: string;
  readonly ledgerUrl: string;
  readonly http: boolean;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly logFile: string;
}

/** Must be in no log: payloads of the plan hold it. */
const secret = 'chaos-payload';

/** What a node says when others take over what it does. */
const losses = [
  'the lease has ended',
  'a worker thread stands still',
  'that stands still is ended',
  'has brought its worker down',
];

export class ChaosNode {
  readonly name: string;
  readonly #options: NodeOptions;
  readonly #exits: NodeExit[] = [];
  readonly #leaks: string[] = [];
  readonly #leasesLost: number[] = [];
  readonly #startedAt = Date.now();
  readonly #log;
  #child: ChildProcess | undefined;
  #url: string | undefined;
  #ready = false;
  #wanted = false;
  #keepRunning = true;
  #lines = 0;
  #lastLine = '';
  #memoryMiB = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: NodeOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = createWriteStream(options.logFile);
  }

  /** Where HTTP answers now. */
  get url(): string | undefined {
    return this.#ready ? this.#url : undefined;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Starts it, and again whenever it ends, until `shutDown`. */
  start(clockShiftMs = 0): void {
    this.#ended = this.#run(clockShiftMs);
  }

  /** Ends it with a signal, and starts it again after a while. */
  async end(signal: 'SIGKILL' | 'SIGTERM', downMs: number, clockShiftMs: number): Promise<void> {
    this.#wanted = true;
    this.#ready = false;
    this.#child?.kill(signal);
    await this.#ended;
    await sleep(downMs);
    if (this.#keepRunning) this.start(clockShiftMs);
  }

  /** SIGSTOP, and after a while SIGCONT. */
  async pause(ms: number): Promise<void> {
    const child = this.#child;
    child?.kill('SIGSTOP');
    await sleep(ms);
    child?.kill('SIGCONT');
  }

  /** SIGTERM, and at last SIGKILL. @returns the exit code */
  async shutDown(): Promise<void> {
    this.#memoryMiB = this.#readMemory();
    this.#keepRunning = false;
    this.#wanted = true;
    const child = this.#child;
    child?.kill('SIGCONT');
    child?.kill('SIGTERM');
    const last = setTimeout(() => child?.kill('SIGKILL'), 40_000);
    await this.#ended;
    clearTimeout(last);
    this.#log.end();
  }

  record(): NodeRecord {
    return {
      name: this.name,
      exits: this.#exits,
      logLines: this.#lines,
      seconds: (Date.now() - this.#startedAt) / 1_000,
      leaks: this.#leaks,
      memoryMiB: this.#memoryMiB,
      leasesLost: this.#leasesLost,
    };
  }

  async #run(clockShiftMs: number): Promise<void> {
    this.#wanted = false;
    const child = this.#spawn(clockShiftMs);
    this.#child = child;
    // It must not outlive the run, however that ends.
    const endWithRun = (): boolean => child.kill('SIGKILL');
    process.once('exit', endWithRun);
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    process.removeListener('exit', endWithRun);
    const wasReady = this.#ready || this.#wanted;
    this.#ready = false;
    this.#exits.push({ at: Date.now(), code, signal, wanted: this.#wanted, wasReady, lastLine: this.#lastLine });
    if (this.#wanted || !this.#keepRunning) return;
    // A supervisor would do the same.
    await sleep(300);
    if (this.#keepRunning) await this.#run(clockShiftMs);
  }

  #spawn(clockShiftMs: number): ChildProcess {
    const { root, functions, databaseUrl, ledgerUrl, http, leaseMs, pollMs, name } = this.#options;
    const flags = [
      ...['--database-url', databaseUrl, '--lease-ms', String(leaseMs), '--poll-ms', String(pollMs)],
      // Generous for a machine that has other things to do: healthy code must not come near them.
      ...['--turn-limit-ms', '4000', '--block-limit-ms', '4000', '--max-worker-heap-mb', '128'],
      ...['--log-format', 'json', ...(http ? ['--port', '0'] : ['--no-http'])],
    ];
    const foreign = /^(PERDURE_|DATABASE_URL$|DIRECT_DATABASE_URL$|HOST$|PORT$|NODE_OPTIONS$|VITEST)/;
    const child = spawn(
      process.execPath,
      [
        ...['--import', pathToFileURL(join(root, 'chaos/preload.mjs')).href],
        ...[join(root, 'dist/main.js'), 'start', functions, ...flags],
      ],
      {
        cwd: root,
        env: {
          ...Object.fromEntries(Object.entries(process.env).filter(([variable]) => !foreign.test(variable))),
          CHAOS_LEDGER_URL: ledgerUrl,
          CHAOS_NODE: name,
          CHAOS_CLOCK_SHIFT_MS: String(clockShiftMs),
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#hear(line));
    }
    return child;
  }

  #hear(line: string): void {
    this.#lines += 1;
    this.#lastLine = line.slice(0, 500);
    this.#log.write(`${line}\n`);
    if (line.includes(secret)) this.#leaks.push(line.slice(0, 300));
    const entry = parse(line);
    if (entry?.msg === 'ready') {
      this.#url = entry.url;
      this.#ready = true;
    }
    if (losses.some((text) => entry?.msg?.includes(text) === true)) this.#leasesLost.push(Date.now());
  }

  #readMemory(): number {
    try {
      const status = readFileSync(`/proc/${this.#child?.pid ?? 0}/status`, 'utf8');
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
    } catch {
      return 0; // not on Linux, or gone
    }
  }
}

function parse(line: string): { readonly msg?: string; readonly url?: string } | undefined {
  try {
    return JSON.parse(line) as { readonly msg?: string; readonly url?: string };
  } catch {
    return undefined; // prose, for people
  }
}
