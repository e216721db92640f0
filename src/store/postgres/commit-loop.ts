/**
 * Sends a batch of commits until its outcome is known: through deadlocks, lost connections, full disks and bad members.
 * What is sent is the sender's business.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { CommitOutcome, InstanceKey } from '../../model/work.ts';
import {
  errorCode,
  isConnectionError,
  isLockTimeout,
  isMemberError,
  isOutOfTime,
  isReadOnly,
  isResourceError,
  isRetryable,
  isUnavailable,
} from './errors.ts';

/** How often a batch that meets locks or concurrent changes is sent (F55). */
const maxLockedTries = 5;
/** Longest pause between two tries to write a batch while the database is away (B of the promises). */
const maxBackOffMs = 5_000;

interface Keyed {
  readonly key: InstanceKey;
}

/** How members are written. */
export interface CommitSender<Member extends Keyed> {
  /** One statement for all. @returns the outcomes of those that were committed */
  send(members: readonly Member[], commitId: string): Promise<readonly CommitOutcome[]>;
  /** Of members that a later sending found moved, those that an earlier one with this id had committed (decision 13). */
  findMine(members: readonly Member[], commitId: string): Promise<readonly CommitOutcome[]>;
}

/**
 * @param members at least one, sorted by key
 * @param closing ends the tries of commits whose outcome is open
 * @returns outcomes by key; a member without one has lost its fence
 */
export async function commitAll<Member extends Keyed>(
  members: readonly Member[],
  sender: CommitSender<Member>,
  closing: AbortSignal,
): Promise<ReadonlyMap<InstanceKey, CommitOutcome>> {
  const commitId = randomUUID();
  const outcomes = new Map<InstanceKey, CommitOutcome>();
  const note = (found: readonly CommitOutcome[]): void => {
    for (const outcome of found) outcomes.set(outcome.key, outcome);
  };
  let unsure = false;
  let locked = 0;
  for (let attempt = 0; ; attempt += 1) {
    try {
      note(await sender.send(members, commitId));
      const missing = members.filter((member) => !outcomes.has(member.key));
      // An earlier sending may have been executed though its answer got lost.
      if (unsure && missing.length > 0) note(await sender.findMine(missing, commitId));
      return outcomes;
    } catch (error) {
      if (isMemberError(error)) return splitUp(error, members, sender, closing);
      // One that others hold must not keep the rest: those that remain are sent alone.
      if (isRetryable(error)) locked += 1;
      if (members.length > 1 && (isOutOfTime(error) || isLockTimeout(error) || locked >= maxLockedTries) && !unsure) {
        return splitUp(error, members, sender, closing);
      }
      // Handed back: whoever owns it finds it without having it, and begins anew with what is stored.
      if (locked >= maxLockedTries && !unsure) return outcomes;
      if (isConnectionError(error)) unsure ||= !isReadOnly(error);
      else if (!isRetryable(error) && !isUnavailable(error) && !isResourceError(error)) throw error;
      const pauseMs = Math.min(maxBackOffMs, 25 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
      await delay(pauseMs, undefined, { signal: closing });
    }
  }
}

/** One bad member, or one that others have locked, must not harm the others (decision 11). */
async function splitUp<Member extends Keyed>(
  error: unknown,
  members: readonly Member[],
  sender: CommitSender<Member>,
  closing: AbortSignal,
): Promise<ReadonlyMap<InstanceKey, CommitOutcome>> {
  const [only] = members;
  if (members.length === 1 && isMemberError(error) && only !== undefined) {
    const reason = `Postgres error ${errorCode(error) ?? ''}`;
    return new Map([[only.key, { kind: 'refused', key: only.key, reason }]]);
  }
  const middle = members.length >> 1;
  const parts = await Promise.all(
    [members.slice(0, middle), members.slice(middle)].map((part) => commitAll(part, sender, closing)),
  );
  return new Map(parts.flatMap((part) => [...part]));
}
