/** Who works at this machine. */
import { userInfo } from 'node:os';
import type { Origin } from '../model/access.ts';

/** On whose behalf a command acts, for the audit log. */
export function ownOrigin(): Origin {
  return { actor: userName(), actorKind: 'cli', address: null, userAgent: null, requestId: null };
}

/** In containers a user may have a number only. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
