/** What the parts of a chaos run hand to each other: plain data, so that a checker can be fed with anything. */
import type { HistoryEvent } from '../src/model/history.ts';

export interface StepInput {
  readonly value: unknown;
  /** How many attempts fail. */
  readonly failures?: number;
  readonly ms?: number;
}

export interface OrderInput {
  readonly order: string;
  readonly reserveFailures: number;
  readonly items: readonly number[];
  readonly stepMs: number;
  readonly approvalMs: number;
  readonly packFailures: number;
  readonly lost: boolean;
}

export interface CartInput {
  readonly total: number;
  /** Events of one generation. */
  readonly take: number;
  readonly stepEach: boolean;
  readonly seen?: readonly number[];
}

export interface TreeInput {
  readonly depth: number;
  readonly breadth: number;
  readonly value: number;
}

export interface TimersInput {
  readonly parallel: readonly number[];
  readonly chain: readonly number[];
}

export interface ControlledInput {
  readonly steps: number;
}

export interface ClaimedInput {
  readonly value: string;
}

export interface TransferInput {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
  /** Signals to the third account. */
  readonly count: number;
}

/** What the driver does with one instance, in this order. */
export type Action =
  | {
      readonly do: 'start';
      readonly input: unknown;
      readonly keyed: boolean;
      /** The same call once more, with the same key. */
      readonly twice?: boolean;
    }
  /** Several starts of one id at the same time, without a key. */
  | { readonly do: 'contend'; readonly inputs: readonly unknown[] }
  | {
      readonly do: 'raise';
      readonly event: string;
      readonly data: unknown;
      readonly keyed: boolean;
      readonly twice?: boolean;
    }
  | { readonly do: 'suspend' | 'resume' | 'terminate'; readonly keyed: boolean }
  | { readonly do: 'purge' }
  | { readonly do: 'pause'; readonly ms: number }
  /** Waits for a final status. */
  | { readonly do: 'await-end' };

/** How an instance has to end, from the model. */
export interface Expected {
  readonly status: readonly string[];
  /** JSON text; `undefined`: not compared. */
  readonly output?: string;
  /** Output of a cart whose events had no key: copies may follow each other. */
  readonly copiesAllowed?: boolean;
  /** One of these JSON texts, of contending starts. */
  readonly oneOf?: readonly string[];
}

export interface PlanItem {
  readonly id: string;
  readonly kind: string;
  /** Of the orchestrator. */
  readonly name: string;
  /** Milliseconds from the begin of the run. */
  readonly startAt: number;
  readonly actions: readonly Action[];
  readonly expected: Expected;
  /** Planned failures of activities by their input's value, as JSON text. */
  readonly failures?: Readonly<Record<string, number>>;
}

export interface Plan {
  readonly seed: number;
  readonly items: readonly PlanItem[];
  /** Balances of the entities when everything has ended. */
  readonly accounts: Readonly<Record<string, number>>;
  readonly longestTimerMs: number;
}

/** One HTTP call; times are milliseconds since 1970. */
export interface JournalEntry {
  readonly id: string;
  /** Counts the actions of the instance; repetitions of an unclear call have the same. */
  readonly action: number;
  readonly op: Action['do'];
  readonly event?: string;
  /** JSON text that was sent. */
  readonly data?: string;
  readonly key?: string;
  readonly node: string;
  readonly invokedAt: number;
  readonly answeredAt: number;
  readonly outcome: 'ok' | 'fail' | 'unknown';
  readonly status: number;
}

/** What a GET showed. */
export interface Sighting {
  readonly id: string;
  readonly node: string;
  readonly askedAt: number;
  readonly seenAt: number;
  /** 404 is a sighting too. */
  readonly httpStatus: number;
  readonly status?: string;
  readonly lastUpdated?: string;
  readonly created?: string;
  /** JSON text of the output. */
  readonly output?: string;
  /** Right after an acknowledged start. */
  readonly afterStart?: boolean;
  /** Round of reading at the end of the run, when everything is final. */
  readonly round?: number;
}

/** A run of an activity, from the ledger. */
export interface Run {
  readonly id: number;
  readonly task: string;
  readonly attempt: number;
  readonly redelivery: number;
  readonly instanceId: string;
  readonly name: string;
  readonly node: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly outcome: string | null;
  readonly result: string | null;
}

export interface Fault {
  readonly kind: string;
  /** `undefined`: it concerns all nodes. */
  readonly node?: string;
  readonly from: number;
  readonly to: number;
}

export interface InstanceRecord {
  readonly key: string;
  readonly id: string;
  readonly name: string;
  readonly executionId: string;
  /** Final, or that of its execution. */
  readonly status: string;
  readonly isFinal: boolean;
  readonly hasExecution: boolean;
  readonly owner: string | null;
  readonly input: string | null;
  readonly output: string | null;
  readonly failure: string | null;
  readonly parentKey: string | null;
  readonly lastUpdatedAt: number;
  readonly completedAt: number | null;
  readonly history: readonly HistoryEvent[];
  /** Sequences of the stored rows. */
  readonly sequences: readonly number[];
  readonly firstSequence: number;
}

export interface InboxRow {
  readonly key: string;
  readonly event: string;
}

/** The database when everything has come to rest. */
export interface Tables {
  readonly instances: readonly InstanceRecord[];
  readonly messages: readonly InboxRow[];
  readonly tasks: readonly { readonly key: string; readonly name: string; readonly owner: string | null }[];
  /** Rows whose instance is gone: table and key. */
  readonly orphans: readonly string[];
  /** Transactions that stay open. */
  readonly transactions: readonly string[];
  readonly lockedEntities: readonly string[];
}

export interface NodeRecord {
  readonly name: string;
  readonly exits: readonly NodeExit[];
  readonly logLines: number;
  readonly seconds: number;
  /** Lines that hold what no log may hold. */
  readonly leaks: readonly string[];
  readonly memoryMiB: number;
  /** When its lease ended although nobody had asked for it. */
  readonly leasesLost: readonly number[];
}

export interface NodeExit {
  readonly at: number;
  readonly code: number | null;
  readonly signal: string | null;
  /** It was asked for. */
  readonly wanted: boolean;
  /** Whether it had become ready before. */
  readonly wasReady: boolean;
  readonly lastLine: string;
}

/** Everything that a checker reads. */
export interface Evidence {
  /** That repeats the run. */
  readonly command: string;
  readonly plan: Plan;
  readonly journal: readonly JournalEntry[];
  readonly sightings: readonly Sighting[];
  readonly runs: readonly Run[];
  readonly faults: readonly Fault[];
  readonly tables: Tables;
  readonly accounts: Readonly<Record<string, unknown>>;
  readonly nodes: readonly NodeRecord[];
  readonly settings: { readonly leaseMs: number; readonly pollMs: number; readonly backOffMs: number };
  readonly begunAt: number;
  readonly lastFaultAt: number;
  /** When the last instance was seen to be final. */
  readonly restedAt: number;
  /** Instances that were not final when the time was up. */
  readonly stuck: readonly string[];
}

/** A promise that was broken, with what shows it. */
export interface Violation {
  readonly invariant: string;
  readonly id: string;
  readonly proof: string;
}
