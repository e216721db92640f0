/** What activities were called with in an environment, and what came of it. */
import { fromPayload } from '../core/replay/payload.ts';
import type { Failure } from '../model/failure.ts';
import type { ActivityOutcome, ActivityWork } from '../model/work.ts';

/** One run of an activity. */
export interface ActivityCall<Input = unknown, Output = unknown> {
  readonly activity: string;
  readonly instanceId: string;
  readonly input: Input;
  /** 1 for the first run, counted up by the retry policy. */
  readonly attempt: number;
  /** How often a run of this attempt was lost before. */
  readonly redelivery: number;
  /** By the environment's clock. */
  readonly startedAt: Date;
  readonly outcome: ActivityCallOutcome<Output>;
}

/** `lost`: it had not ended when its worker died. */
export type ActivityCallOutcome<Output = unknown> =
  | { readonly kind: 'running' }
  | { readonly kind: 'completed'; readonly result: Output }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'lost' };

interface RecordedCall extends ActivityCall {
  outcome: ActivityCallOutcome;
}

/** A call that has begun. */
export interface BegunCall {
  /** Counts the calls of its activity from 0. */
  readonly index: number;
  ended(outcome: ActivityOutcome): void;
  lost(): void;
}

export class ActivityCalls {
  readonly #calls: RecordedCall[] = [];
  readonly #counts = new Map<string, number>();

  begin(work: ActivityWork, startedAt: Date): BegunCall {
    const { name, instanceId, attempt, redelivery } = work;
    const call: RecordedCall = {
      activity: name,
      instanceId,
      input: fromPayload(work.input, `The input of activity '${name}'`),
      attempt,
      redelivery,
      startedAt,
      outcome: { kind: 'running' },
    };
    const key = name.toLowerCase();
    const index = this.#counts.get(key) ?? 0;
    this.#counts.set(key, index + 1);
    this.#calls.push(call);
    const settle = (outcome: ActivityCallOutcome): void => {
      if (call.outcome.kind === 'running') call.outcome = outcome;
    };
    return {
      index,
      lost: () => settle({ kind: 'lost' }),
      ended: (outcome) =>
        settle(
          outcome.kind === 'failed'
            ? outcome
            : { kind: 'completed', result: fromPayload(outcome.result, `The result of activity '${name}'`) },
        ),
    };
  }

  /** In the order in which they began; copies. */
  list(name: string | undefined): readonly ActivityCall[] {
    const wanted = name?.toLowerCase();
    return this.#calls
      .filter((call) => wanted === undefined || call.activity.toLowerCase() === wanted)
      .map((call) => ({ ...call }));
  }
}
