/** What somebody who looked at a database or a service found. */
export interface Finding {
  /** What was looked at: a word that stays the same over versions. */
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  /** One line. */
  readonly text: string;
  /** What to do; absent when all is well. */
  readonly fix?: string;
}

export function ok(check: string, text: string): Finding {
  return { check, level: 'ok', text };
}

export function warn(check: string, text: string, fix: string): Finding {
  return { check, level: 'warn', text, fix };
}

export function fail(check: string, text: string, fix: string): Finding {
  return { check, level: 'fail', text, fix };
}
