import { callableLog } from '../../core/replay/user-log.ts';
import type { ActivityContext, CallableLog, ReplaySafeLog } from '../../model/functions.ts';
import type { Tags } from '../../model/instance.ts';
import type { ActivityWork } from '../../model/work.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Gets every line of user code, with the fields of its instance. */
export type UserLogWriter = (level: keyof ReplaySafeLog, message: string, fields: Fields) => void;

/** What an activity gets beside its input. What costs something is made when the activity asks for it. */
export class RunningActivity implements ActivityContext {
  readonly #work: ActivityWork;
  readonly #cancellation: { readonly signal: AbortSignal };
  readonly #write: UserLogWriter | undefined;
  readonly activityName: string;

  constructor(
    work: ActivityWork,
    options: {
      readonly activityName: string;
      readonly cancellation: { readonly signal: AbortSignal };
      readonly write: UserLogWriter | undefined;
    },
  ) {
    this.#work = work;
    this.activityName = options.activityName;
    this.#cancellation = options.cancellation;
    this.#write = options.write;
  }

  get instanceId(): string {
    return this.#work.instanceId;
  }

  get taskId(): string {
    return `${this.#work.instanceKey}:${this.#work.executionId}:${this.#work.firstScheduledId}`;
  }

  get tags(): Tags {
    return this.#work.tags ?? {};
  }

  get attempt(): number {
    return this.#work.attempt;
  }

  get redelivery(): number {
    return this.#work.redelivery;
  }

  get signal(): AbortSignal {
    return this.#cancellation.signal;
  }

  get log(): CallableLog {
    const { instanceId, executionId } = this.#work;
    const fields = { instanceId, executionId, taskId: this.taskId, activity: this.activityName };
    return callableLog((level, message, more) => this.#write?.(level, message, { ...more, ...fields }));
  }
}
