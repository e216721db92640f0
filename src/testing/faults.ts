/** What can go wrong in an environment, and when. */
import type { ActivityDefinition } from '../model/functions.ts';

/** A commit of one or more turns, or of operations of entities, is about to be written. */
export interface CommitMoment {
  readonly at: 'commit';
  readonly instanceIds: readonly string[];
}

/** An activity is about to run. */
export interface ActivityMoment {
  readonly at: 'activity';
  readonly activity: string;
  readonly instanceId: string;
  /** 1 for the first run, counted up by the retry policy. */
  readonly attempt: number;
  /** How often a run of this attempt was lost before. */
  readonly redelivery: number;
}

/** A moment at which something may go wrong. */
export type FaultMoment = CommitMoment | ActivityMoment;

/**
 * - `crash-before`: the worker dies just before: of a commit nothing is written, an activity does not run;
 * - `crash-after`: it dies just after, before it knows: the commit is written, the activity has run but its result is lost;
 * - `duplicate` (of a commit): the ends of activities and timers that it took in are delivered a second time.
 *
 * After a crash a new worker takes over at once, with nothing in memory.
 */
export type Fault = 'crash-before' | 'crash-after' | 'duplicate';

/** Asked at every moment what goes wrong there. */
export type FaultPlan = (moment: FaultMoment) => Fault | undefined;

/** A fault to come; see {@link Fault}. */
export interface FaultInjection {
  readonly fault: Fault;
  readonly at: 'commit' | 'activity';
  /** Only for this instance. */
  readonly instanceId?: string;
  /** Only for this activity. */
  readonly activity?: ActivityDefinition<never, unknown> | string;
  /** Matching moments that pass before it. Default 0. */
  readonly skip?: number;
  /** How often it happens. Default 1. */
  readonly times?: number;
}

/** The faults that were asked for one by one, beside a plan. */
export class Faults {
  readonly #plan: FaultPlan | undefined;
  #injected: { readonly injection: FaultInjection; skip: number; times: number }[] = [];

  constructor(plan: FaultPlan | undefined) {
    this.#plan = plan;
  }

  inject(injection: FaultInjection): void {
    this.#injected.push({ injection, skip: injection.skip ?? 0, times: injection.times ?? 1 });
  }

  at(moment: FaultMoment): Fault | undefined {
    for (const pending of this.#injected) {
      if (!matches(pending.injection, moment)) continue;
      if (pending.skip > 0) {
        pending.skip -= 1;
        continue;
      }
      pending.times -= 1;
      this.#injected = this.#injected.filter((other) => other.times > 0);
      return pending.injection.fault;
    }
    return this.#plan?.(moment);
  }
}

function matches({ at, instanceId, activity }: FaultInjection, moment: FaultMoment): boolean {
  if (at !== moment.at) return false;
  if (moment.at === 'commit') return instanceId === undefined || moment.instanceIds.includes(instanceId);
  const name = typeof activity === 'string' ? activity : activity?.name;
  return (
    (instanceId === undefined || instanceId === moment.instanceId) &&
    (name === undefined || name.toLowerCase() === moment.activity.toLowerCase())
  );
}
