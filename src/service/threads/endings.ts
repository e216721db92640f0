/** Why a thread ended because of user code, as the failure of that code. */
import { isAbsolute, relative } from 'node:path';
import type { Culprit } from '../../model/culprit.ts';
import type { Failure } from '../../model/failure.ts';

/** The limits on how long user code may hold its thread, in ms. */
export interface BlockLimits {
  readonly turnLimitMs: number;
  readonly blockLimitMs: number;
}

const errorTypes = { turn: 'PoisonInstance', operation: 'PoisonOperation', activity: 'PoisonActivity' } as const;

/** Whoever does not even say what it does may as well be an activity that waits for a child process. */
export function limitOf(culprit: Culprit | undefined, { turnLimitMs, blockLimitMs }: BlockLimits): number {
  return culprit === undefined || culprit.kind === 'activity' ? blockLimitMs : turnLimitMs;
}

/** It did not give its thread back. */
export function hung(culprit: Culprit, site: string | undefined, limits: BlockLimits): Failure {
  const limit = seconds(limitOf(culprit, limits));
  const what =
    culprit.kind === 'activity'
      ? `kept its thread busy for more than ${limit} without a pause (the block limit)`
      : `did not return within ${limit} (the turn limit)`;
  return failure(culprit, `${what}${at(site)}`);
}

/** It called `process.exit()`. */
export function exited(culprit: Culprit, code: number, site: string | undefined): Failure {
  return failure(culprit, `ended its worker with process.exit(${code})${at(site)}`);
}

export function outOfMemory(culprit: Culprit, heapMb: number): Failure {
  return failure(culprit, `used up the memory of its worker (${heapMb} MB, --max-worker-heap-mb)`);
}

/** Buffers are not in the heap of a thread. */
export function outOfBuffers(culprit: Culprit, bufferMb: number, limitMb: number, site: string | undefined): Failure {
  const what = `filled ${bufferMb} MB with buffers when its process had no more than ${limitMb} MB (--max-memory-mb)`;
  return failure(culprit, `${what}${at(site)}`);
}

/** Nothing is known but that it ran alone. */
export function died(culprit: Culprit): Failure {
  return failure(culprit, 'ended its worker');
}

/** The same of what ran in quarantine; what it was, only the database knows. */
export const diedAlone: Failure = {
  errorType: 'PoisonInstance',
  message: 'Its worker, in which nothing else ran, stood still or ran out of memory.',
};

/** @param how a signal or an exit code */
export function processDied(how: string): Failure {
  return { ...diedAlone, message: `The process in which it ran, and nothing else did, has ended (${how}).` };
}

function failure(culprit: Culprit, what: string): Failure {
  return { errorType: errorTypes[culprit.kind], message: `${subject(culprit)} ${what}.` };
}

function subject({ kind, name }: Culprit): string {
  if (kind === 'activity') return `Activity '${name}'`;
  return kind === 'turn' ? `The orchestrator '${name}'` : `An operation of the entity '${name}'`;
}

function at(site: string | undefined): string {
  if (site === undefined) return '';
  const [, path = site, line = ''] = /^(.*?)(?::(\d+))?(?::\d+)?$/.exec(site) ?? [];
  const near = relative(process.cwd(), path);
  return `, at ${near.startsWith('..') || isAbsolute(near) ? path : near}${line === '' ? '' : `:${line}`}`;
}

function seconds(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
