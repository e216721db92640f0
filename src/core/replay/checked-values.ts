/**
 * Values of an orchestration that have a schema: each is judged once. When one is refused, its number is recorded at the
 * beginning of its turn, and a replay goes by that record: a schema that was changed meanwhile cannot undo what the
 * orchestrator has been told. What was accepted stays accepted; if the schema of today refuses it, the value goes in as
 * it is stored.
 */
import type { RejectedValue } from '../../model/history.ts';
import { checkNow, SchemaError, type InvalidValue, type Schema } from '../../model/schema.ts';
import type { TurnScope } from './turn-scope.ts';
import { withoutFrames } from './without-frames.ts';

/** Which value of which kind is judged. */
export interface ValueToCheck {
  readonly schema: Schema;
  readonly value: unknown;
  /** In words, e.g. `The input of orchestration 'A'`. */
  readonly what: string;
  readonly error: InvalidValue;
}

export class CheckedValues {
  readonly #scope: TurnScope;
  #count = 0;
  /** Both `undefined` in nearly all turns: nothing is made for them. */
  #recorded: readonly RejectedValue[] | undefined;
  #rejected: RejectedValue[] | undefined;

  constructor(scope: TurnScope) {
    this.#scope = scope;
  }

  /** A turn begins; in a replay with what it refused. */
  beginTurn(recorded: readonly RejectedValue[] | undefined): void {
    this.#recorded = recorded;
    this.#rejected = undefined;
  }

  /** What this turn refused. */
  get rejected(): readonly RejectedValue[] {
    return this.#rejected ?? [];
  }

  /**
   * @returns the value as the schema gives it
   * @throws SchemaError when it is refused, TypeError when the schema is asynchronous
   */
  check({ schema, value, what, error }: ValueToCheck): unknown {
    const number = this.#count;
    this.#count += 1;
    const before = this.#recorded?.find((each) => each.number === number);
    if (before !== undefined) throw withoutFrames(new SchemaError(error, what, before.issues));
    const checked = checkNow(schema, value, what);
    if (checked.kind === 'valid') return checked.value;
    if (this.#scope.isReplaying) return value;
    (this.#rejected ??= []).push({ number, issues: checked.issues });
    throw withoutFrames(new SchemaError(error, what, checked.issues));
  }
}
