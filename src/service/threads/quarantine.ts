/**
 * The process in which suspects run, one at a time. When it dies, what it ran is to blame, and nothing else is lost. (When a
 * process dies that runs others, too, nobody can say whose doing it was: its suspect may have been beside the culprit.) It is there
 * while there are suspects, for whom a thread of this process would do as well as long as they only take their threads down.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { WorkerId } from '../../model/work.ts';
import type { SupervisorStore } from '../../store/supervisor-store.ts';
import type { WorkerSnapshot } from '../../worker/counters.ts';
import { BackOff } from './back-off.ts';
import { processDied } from './endings.ts';
import { HeadCounts } from './head-counts.ts';
import type { Persistence } from './persistence.ts';
import type { FromQuarantine, QuarantineData, ToQuarantine } from './protocol.ts';

export interface QuarantineOptions {
  readonly store: SupervisorStore;
  readonly data: QuarantineData;
  readonly persistence: Persistence;
  readonly log: Logger;
  /** Takes the lines of its log. */
  readonly writeLog: (line: string) => void;
  /** It is gone, and what it ran has been counted. */
  readonly onDeath: () => void;
}

export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #backOff = new BackOff();
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #pause: NodeJS.Timeout | undefined;
  #isStopping = false;
  readonly #counts = new HeadCounts();

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** Sees to it that it runs; not at once when it has died for nothing again and again. */
  open(): void {
    if (this.#child !== undefined || this.#pause !== undefined || this.#isStopping) return;
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      if (!this.#isStopping) this.#begin();
    }, this.#backOff.pauseMs());
  }

  #begin(): void {
    const { data, log, writeLog } = this.#options;
    // As source in tests, compiled elsewhere.
    const file = import.meta.url.endsWith('.ts') ? './quarantine-process.ts' : './quarantine-process.js';
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      serialization: 'advanced',
      // Two cannot be debugged on one port.
      execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
    });
    const workerIds: WorkerId[] = [];
    this.#child = child;
    child.on('message', (message: FromQuarantine) => {
      if (message.kind === 'log') writeLog(message.line);
      else if (message.kind === 'registered') workerIds.push(message.workerId);
      else this.#counts.answer(message.id, message.snapshots);
    });
    this.#ended = new Promise<void>((resolve) => {
      const over = (how: string): void => {
        if (this.#child === child) {
          this.#child = undefined;
          log.error({ pid: child.pid }, `the process that ran suspects has ended (${how})`);
          void this.#count(workerIds, how);
        }
        this.#counts.letGo();
        resolve();
      };
      child.once('exit', (code, signal) => over(signal ?? `exit code ${code}`));
      child.once('error', (error) => over(error.message));
    });
    this.#send({ kind: 'begin', data });
    log.info({ pid: child.pid }, 'suspects run in a process of their own');
  }

  async #count(workerIds: readonly WorkerId[], how: string): Promise<void> {
    const { store, persistence, onDeath } = this.#options;
    let struck = 0;
    await persistence.persist('counting a crash', async () => {
      struck = await store.strikeQuarantined(workerIds, processDied(how));
    });
    // Whatever it ran is given up soon. What dies with nothing in it may go on for ever.
    if (struck === 0) this.#backOff.note();
    onDeath();
  }

  #send(message: ToQuarantine): void {
    // What cannot be sent to it any more is not of use.
    this.#child?.send(message, () => undefined);
  }

  /** What its workers have counted; nothing when it does not answer. */
  async snapshots(): Promise<readonly WorkerSnapshot[]> {
    if (this.#child === undefined) return [];
    return this.#counts.ask((id) => this.#send({ kind: 'count', id }));
  }

  /** Ends it unless it is at work. @returns whether it is gone, or going */
  async closeWhenIdle(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined) return true;
    const [counts] = await this.snapshots();
    // It may be at work for long.
    if (counts === undefined || counts.ownedInstances + counts.activitiesRunning > 0) return false;
    this.#dismiss();
    return true;
  }

  /** It ends as it is meant to. */
  #dismiss(): void {
    this.#send({ kind: 'stop' });
    this.#child = undefined;
  }

  /** Resolves when it has ended: in order, or at the latest after so many ms. */
  async stop(withinMs: number): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#pause);
    const child = this.#child;
    this.#dismiss();
    const late = setTimeout(() => child?.kill('SIGKILL'), withinMs);
    await this.#ended;
    clearTimeout(late);
  }
}
