/** What the main thread, the threads of workers and the process of suspects say to each other, and the memory that threads share. */
import type { Culprit } from '../../model/culprit.ts';
import type { FirstTurn, InstanceKey, NewInstance, WorkerId, WorkNotification } from '../../model/work.ts';
import type { WorkerSnapshot } from '../../worker/counters.ts';
import type { Config } from '../../config.ts';

/** What a thread is begun with. */
export interface ThreadData {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly modules: readonly string[];
  readonly shared: SharedArrayBuffer;
  /** How often it says that its event loop turns, in ms. */
  readonly beatMs: number;
}

/** What the process of suspects is begun with. */
export interface QuarantineData {
  readonly thread: Omit<ThreadData, 'shared' | 'beatMs'>;
  readonly stopGraceMs: number;
}

export type ToQuarantine =
  | { readonly kind: 'begin'; readonly data: QuarantineData }
  | { readonly kind: 'count'; readonly id: number }
  | { readonly kind: 'stop' };

export type FromQuarantine =
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'registered'; readonly workerId: WorkerId }
  | { readonly kind: 'counted'; readonly id: number; readonly snapshots: readonly WorkerSnapshot[] };

/** `'quarantine'`: one suspect at a time. */
export type Role = 'worker' | 'quarantine';

export type ToThread =
  | { readonly kind: 'activate'; readonly role: Role; readonly name: string }
  /** Others have taken over what it owns, but for this: finish it, then be ready again. */
  | { readonly kind: 'retire'; readonly kept?: Culprit; readonly graceMs: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'heard'; readonly notification: WorkNotification }
  | { readonly kind: 'offer'; readonly id: number; readonly hubId: number; readonly start: NewInstance }
  /** `hasTurn`: as in `StartOffer`. */
  | { readonly kind: 'accept'; readonly id: number; readonly key: InstanceKey; readonly hasTurn?: boolean }
  | { readonly kind: 'withdraw'; readonly id: number }
  | { readonly kind: 'count'; readonly id: number };

export type FromThread =
  /** The modules are loaded and nothing runs: it can be activated. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'unloadable'; readonly message: string }
  | { readonly kind: 'active' }
  | { readonly kind: 'registered'; readonly workerId: WorkerId }
  | { readonly kind: 'told'; readonly notification: WorkNotification }
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'offered'; readonly id: number; readonly offer?: OfferedStart }
  | { readonly kind: 'counted'; readonly id: number; readonly snapshots: readonly WorkerSnapshot[] }
  /** User code ends the thread. */
  | { readonly kind: 'exiting'; readonly code: number; readonly running?: Running }
  | { readonly kind: 'stopped' };

export interface OfferedStart {
  readonly owner: WorkerId;
  readonly firstTurn: FirstTurn | null;
}

/** User code that is running at this moment. */
export interface Running {
  readonly culprit?: Culprit;
  /** `file:line:column`. */
  readonly site?: string;
}

/** The same, which thread says it, and how much its buffers take. */
export type ProbeAnswer = Running & { readonly threadId: number; readonly bufferBytes: number };

/** Under this name a thread has a function that says what is running; called through the inspector. */
export const probeName = 'perdure.running';

const beats = 0;
const setAside = 1;
const markLength = 2;
const markOffset = 16;
const maxMark = 4_096;
const separator = '\u0000';

/** The memory that a thread shares with the main one: it can be read while the thread stands still, and when it is gone. */
export class SharedState {
  readonly buffer: SharedArrayBuffer;
  readonly #numbers: Int32Array;
  readonly #text: Buffer;

  constructor(buffer = new SharedArrayBuffer(markOffset + maxMark)) {
    this.buffer = buffer;
    this.#numbers = new Int32Array(buffer, 0, 4);
    this.#text = Buffer.from(buffer, markOffset);
  }

  beat(): void {
    Atomics.add(this.#numbers, beats, 1);
  }

  get beats(): number {
    return Atomics.load(this.#numbers, beats);
  }

  /** Whether others have taken over what it owns. */
  get isSetAside(): boolean {
    return Atomics.load(this.#numbers, setAside) === 1;
  }

  set isSetAside(value: boolean) {
    Atomics.store(this.#numbers, setAside, value ? 1 : 0);
  }

  /** Code of a user is entered. What is written costs a fraction of a microsecond. */
  mark({ kind, instanceId, executionId = '', name, taskScheduledId = -1 }: Culprit): void {
    const text = `${kind}${separator}${instanceId}${separator}${executionId}${separator}${taskScheduledId}${separator}${name}`;
    Atomics.store(this.#numbers, markLength, this.#text.write(text));
  }

  unmark(): void {
    Atomics.store(this.#numbers, markLength, 0);
  }

  /** What was entered last and has not returned. */
  get marked(): Culprit | undefined {
    const length = Atomics.load(this.#numbers, markLength);
    if (length === 0) return undefined;
    const parts = Buffer.from(this.#text.subarray(0, length)).toString().split(separator);
    const [kind = '', instanceId = '', executionId = '', taskScheduledId = '', name = ''] = parts;
    if (kind !== 'turn' && kind !== 'operation' && kind !== 'activity') return undefined;
    return {
      ...{ kind, instanceId, name },
      ...(executionId === '' ? {} : { executionId }),
      ...(taskScheduledId === '-1' ? {} : { taskScheduledId: Number(taskScheduledId) }),
    };
  }
}
