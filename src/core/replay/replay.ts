/**
 * One run of an orchestrator: history and new events in, a decision out. Owns the order in which events reach the code,
 * suspension, the end of the body, and what follows from a difference between history and code (P9). What the code asks
 * for is numbered and compared in `scheduler.ts`; the engine's side of a turn is in `core/state`.
 *
 * A live run gets only new events, a replay all of them: both let the code run as far as it can after each.
 */
import type { Action, Decision } from '../../model/actions.ts';
import { assertNever } from '../../model/errors.ts';
import type { ExecutionCompleted, ExecutionStarted, HistoryEvent } from '../../model/history.ts';
import type { Schema } from '../../model/schema.ts';
import { startBody } from './body.ts';
import { toCompletion, type BodyEnd } from './body-end.ts';
import { isBodyEvent, isEntityAnswer, type BodyEvent } from './body-event.ts';
import { CheckedValues, type ValueToCheck } from './checked-values.ts';
import { describeEnd, differenceMessage, idAfter, isRecord, type Difference, type RecordEvent } from './difference.ts';
import { drive, type Step } from './drive-async.ts';
import { withMessage, type CallTrace, type Problem } from './explain.ts';
import { ExternalEvents } from './external-events.ts';
import { withEvents, type NextExecution } from './next-execution.ts';
import { ReplayContext } from './orchestration-context.ts';
import { fromPayload } from './payload.ts';
import { settingsOf, type ReplayOptions, type ReplayTurn, type RunState } from './run.ts';
import { Scheduler } from './scheduler.ts';
import { stuckError, TurnScope } from './turn-scope.ts';
import { explainProblem } from './watched-replay.ts';

/** About 10 ms of replay. */
const eventsPerBreath = 4_096;

export class Replay {
  readonly #options: ReplayOptions;
  readonly #scope: TurnScope;
  readonly #scheduler: Scheduler;
  readonly #events = new ExternalEvents();
  readonly #checks: CheckedValues;
  #state: RunState = { kind: 'waiting' };
  /** Events that came while suspended; `undefined` when it is not. */
  #held: BodyEvent[] | undefined;
  #busy = false;
  #played = 0;
  /** The last turn that was played has been rewound. */
  #reopened = false;
  /** Why it failed, when that was no decision of its code. */
  #problem: Problem | undefined;
  /** Whether all events that it has seen are those of the turn under way. */
  #isFirstTurn = true;

  /** @param trace watches the calls of a run that is repeated */
  constructor(options: ReplayOptions, trace?: CallTrace) {
    this.#options = options;
    this.#scope = new TurnScope(trace);
    this.#scheduler = new Scheduler(this.#scope);
    this.#checks = new CheckedValues(this.#scope);
  }

  /**
   * Plays the history, then the new events.
   * @returns the decision; errors of user code and differences are decisions to fail
   * @throws Error for a bug of the caller: a run that is busy or disposed, events that cannot be new
   */
  advance(turn: ReplayTurn): Promise<Decision> {
    return drive(this.#steps(turn), this.#scope);
  }

  /** The names of the external events that the code waits for. */
  get awaitedEvents(): readonly string[] {
    return this.#events.awaited;
  }

  /** Lets go of user code: what waits never goes on, not even to a `finally`. */
  dispose(): void {
    this.#state = { kind: 'disposed' };
    this.#scheduler.close();
    this.#scope.leave();
  }

  *#steps(turn: ReplayTurn): Generator<Step, Decision, void> {
    if (this.#busy) throw new Error('advance was called while a turn of the same run is under way.');
    if (this.#state.kind === 'disposed') throw new Error('advance was called after dispose.');
    this.#busy = true;
    this.#scope.enter();
    try {
      const decision = yield* this.#play(turn);
      const problem = this.#problem;
      if (problem === undefined || !this.#isFirstTurn || this.#scope.trace !== undefined) return decision;
      // Nothing was to be done but to find this out.
      if (decision.superfluous !== undefined && turn.newEvents.length === 0) return decision;
      return withMessage(decision, yield* this.#explain(problem, turn));
    } finally {
      this.#isFirstTurn = false;
      this.#scope.leave();
      this.#busy = false;
    }
  }

  *#play({ history, newEvents }: ReplayTurn): Generator<Step, Decision, void> {
    if (this.#scope.violation !== undefined) return this.#decide();
    this.#scope.isReplaying = true;
    for (const event of history) if (event.type === 'ExecutionRewound') this.#scheduler.skip(event.ignoredIds);
    let index = 0;
    for (const event of history) {
      if (this.#isDisposed()) return this.#decide();
      const difference = this.#compare(event);
      if (difference !== undefined) return this.#failDifferent(difference, index, history);
      const resumed = this.#take(event);
      if (this.#scope.takePromiseSettled()) yield 'drain';
      if (resumed !== undefined) yield* this.#playHeld(resumed);
      index += 1;
      if (this.#mustBreathe()) yield 'breathe';
    }
    const difference = this.#endRecordedTurn();
    if (difference !== undefined) return this.#failDifferent(difference, index, history);
    this.#scope.isReplaying = false;
    for (const event of newEvents) {
      const resumed = this.#take(event);
      if (this.#scope.takePromiseSettled()) yield 'drain';
      if (resumed !== undefined) yield* this.#playHeld(resumed);
      if (this.#mustBreathe()) yield 'breathe';
    }
    return this.#decide();
  }

  #explain(problem: Problem, turn: ReplayTurn): Generator<Step, string, void> {
    this.#scope.leave();
    const run = (trace: CallTrace) => {
      const again = new Replay({ ...this.#options, log: () => undefined }, trace);
      return { steps: again.#steps(turn), problem: () => again.#problem, dispose: () => again.dispose() };
    };
    return explainProblem(problem, { run, probe: this.#options.probe?.() });
  }

  /** What was held back while suspended, in order. */
  *#playHeld(events: readonly BodyEvent[]): Generator<Step, void, void> {
    for (const event of events) {
      this.#deliver(event);
      if (this.#scope.takePromiseSettled()) yield 'drain';
      if (this.#mustBreathe()) yield 'breathe';
    }
  }

  #mustBreathe(): boolean {
    this.#played += 1;
    return this.#played % eventsPerBreath === 0;
  }

  /** In a method: the compiler would remember what the state was before user code ran. */
  #isDisposed(): boolean {
    return this.#state.kind === 'disposed';
  }

  /** Compares what history records with what the code did. Inputs, times and versions are not compared. */
  #compare(event: HistoryEvent): Difference | undefined {
    if (isBodyEvent(event)) return undefined;
    if (isRecord(event)) return this.#compareRecord(event);
    switch (event.type) {
      case 'OrchestratorStarted':
        return this.#endRecordedTurn();
      case 'ExecutionCompleted':
        return this.#compareEnd(event);
      case 'ExecutionRewound':
        this.#reopened = true;
        return undefined;
      case 'ExecutionSuspended':
      case 'ExecutionResumed':
      case 'ExecutionTerminated':
        return undefined;
      default:
        return assertNever(event);
    }
  }

  #compareRecord(event: RecordEvent): Difference | undefined {
    const state = this.#state;
    if (state.kind === 'ended') return undefined;
    const idle = state.kind === 'completed' ? describeEnd(state.completion) : 'the code now asks for nothing more';
    return this.#scheduler.record(event, idle);
  }

  #endRecordedTurn(): Difference | undefined {
    if (this.#state.kind === 'ended') return undefined;
    if (this.#reopened) {
      // The turn that failed: from here on the code may do something else.
      this.#reopened = false;
      this.#scheduler.endReopenedTurn();
      return undefined;
    }
    const difference = this.#scheduler.endRecordedTurn();
    if (difference !== undefined || this.#state.kind !== 'completed') return difference;
    return { expected: 'a previous execution went on after this turn', found: describeEnd(this.#state.completion) };
  }

  /** The engine, too, fails and terminates executions: only a completion must be the code's own. */
  #compareEnd(event: ExecutionCompleted): Difference | undefined {
    if (event.status === 'Completed' && this.#state.kind !== 'ended') {
      const difference = this.#scheduler.endRecordedTurn();
      if (difference !== undefined) return difference;
      const expected = 'a previous execution completed here';
      if (this.#state.kind !== 'completed') return { expected, found: 'the code still waits' };
      const { completion } = this.#state;
      if (completion.type === 'ContinueAsNew' || completion.status !== 'Completed')
        return { expected, found: describeEnd(completion) };
    }
    this.#endWithout();
    return undefined;
  }

  /** @returns the events to be played now because the instance was resumed */
  #take(event: HistoryEvent): readonly BodyEvent[] | undefined {
    if (isBodyEvent(event)) {
      // What comes after the code has continued as new is for the next execution, suspended or not.
      if (this.#held === undefined || this.#continues()) this.#deliver(event);
      else this.#held.push(event);
      return undefined;
    }
    if (isRecord(event)) return this.#assertReplaying(event);
    switch (event.type) {
      case 'OrchestratorStarted':
        // Also while suspended: what was held is played at the time of the turn that resumes.
        this.#scope.now = Math.max(this.#scope.now, event.timestamp);
        this.#checks.beginTurn(event.rejected);
        return undefined;
      case 'ExecutionSuspended':
        this.#held ??= [];
        return undefined;
      case 'ExecutionResumed': {
        const held = this.#held;
        this.#held = undefined;
        return held;
      }
      case 'ExecutionTerminated':
        this.#endWithout();
        return undefined;
      case 'ExecutionCompleted':
      case 'ExecutionRewound':
        return this.#assertReplaying(event);
      default:
        return assertNever(event);
    }
  }

  #assertReplaying({ type }: HistoryEvent): undefined {
    if (!this.#scope.isReplaying) throw new Error(`${type} records an action: it can only be history.`);
    return undefined;
  }

  #deliver(event: BodyEvent): void {
    if (this.#state.kind !== 'waiting' && this.#state.kind !== 'running') {
      // For the next execution, if there is one.
      if (event.type === 'EventRaised' && this.#continues()) this.#events.raise(event);
      return;
    }
    if (isEntityAnswer(event)) return this.#scheduler.answerRequest(event);
    switch (event.type) {
      case 'ExecutionStarted':
        if (this.#state.kind === 'waiting') this.#start(event);
        return;
      case 'TaskCompleted':
      case 'SubOrchestrationInstanceCompleted':
        this.#scheduler.completeTask(event.taskScheduledId, event.result);
        return;
      case 'TaskFailed':
      case 'SubOrchestrationInstanceFailed':
        this.#scheduler.failTask(event.taskScheduledId, event.failure);
        return;
      case 'TimerFired':
        this.#scheduler.fireTimer(event.timerId);
        return;
      case 'EventRaised':
        this.#events.raise(event);
        return;
      default:
        assertNever(event);
    }
  }

  #start(started: ExecutionStarted): void {
    const { instanceId, orchestrator } = this.#options;
    const context = new ReplayContext({
      instanceId,
      started,
      scope: this.#scope,
      scheduler: this.#scheduler,
      events: this.#events,
      checks: this.#checks,
      ...settingsOf(this.#options),
      continueAsNew: (next) => this.#continueAsNew(next),
    });
    this.#state = { kind: 'running', context };
    startBody({ scope: this.#scope, end: (end) => this.#end(end) }, () => {
      context.input = this.#checked(
        this.#options.schemas?.input,
        fromPayload(started.input, `The input of orchestration '${started.name}'`),
        { what: `The input of orchestration '${started.name}'`, error: 'InvalidInputError' },
      );
      // What the definition says its input is; a schema has just looked at it.
      return orchestrator(context, context.input as never);
    });
  }

  #checked(schema: Schema | undefined, value: unknown, as: Pick<ValueToCheck, 'what' | 'error'>): unknown {
    return schema === undefined ? value : this.#checks.check({ schema, value, ...as });
  }

  /** From here on nothing is done that the code asks for; how it ends does not matter unless it throws. */
  #continueAsNew({ preserveUnprocessedEvents, ...next }: NextExecution): void {
    if (this.#state.kind !== 'running') return;
    const completion = { type: 'ContinueAsNew', id: this.#scheduler.nextId, ...next, carriedEvents: [] } as const;
    this.#state = { ...this.#state, kind: 'completed', completion };
    this.#scheduler.close();
    this.#events.close({ keeps: preserveUnprocessedEvents });
  }

  #continues(): boolean {
    return this.#state.kind === 'completed' && this.#state.completion.type === 'ContinueAsNew';
  }

  #end(end: BodyEnd): void {
    const state = this.#state;
    if (state.kind !== 'running' && !(state.kind === 'completed' && this.#continues() && end.kind === 'threw')) return;
    if (!this.#scope.isOpen) {
      this.#scope.violate('The orchestrator ended outside a turn, after awaiting something that is not a task.');
      return;
    }
    const { context } = state;
    const completion = toCompletion(end, {
      id: this.#scheduler.nextId,
      name: context.name,
      check: (value) =>
        this.#checked(this.#options.schemas?.output, value, {
          what: `The output of orchestration '${context.name}'`,
          error: 'InvalidOutputError',
        }),
    });
    this.#state = { kind: 'completed', context, completion };
    this.#scheduler.close();
  }

  #decide(): Decision {
    if (this.#state.kind === 'running') {
      const error = this.#scope.violation ?? this.#stuck();
      if (error !== undefined) this.#end({ kind: 'threw', error });
    }
    const actions = this.#scheduler.takeActions();
    const state = this.#state;
    switch (state.kind) {
      case 'waiting':
      case 'running':
        return this.#decision(actions);
      case 'completed':
        this.#state = { kind: 'ended', context: state.context };
        return this.#decision([...actions, withEvents(state.completion, this.#events)]);
      case 'ended':
      case 'disposed':
        return this.#decision([]);
      default:
        return assertNever(state);
    }
  }

  #stuck(): Error | undefined {
    if (this.#held !== undefined || this.#scheduler.openCount > 0 || this.#events.waiting > 0) return undefined;
    this.#problem = { kind: 'stuck', lastId: this.#scheduler.nextId - 1 };
    return stuckError();
  }

  /** P9: ended at the first event that differs, and nothing that this code asked for is done. */
  #failDifferent(difference: Difference, index: number, history: readonly HistoryEvent[]): Decision {
    const id = Math.max(this.#scheduler.nextId, idAfter(history));
    this.#endWithout();
    const event = history[index];
    const placed = { ...difference, index: event === undefined ? undefined : index, at: event?.timestamp };
    this.#problem = { kind: 'difference', difference: placed };
    const failure = { errorType: 'NonDeterminismError', message: differenceMessage(placed) };
    const decision = this.#decision([{ type: 'CompleteOrchestration', id, status: 'Failed', failure }]);
    const mayFollow = event !== undefined && isRecord(event) && history.at(-1)?.type === 'ExecutionRewound';
    return mayFollow ? { ...decision, superfluous: index } : decision;
  }

  /** Nothing that the code still asked for is done. */
  #endWithout(): void {
    this.#state = { kind: 'ended', context: this.#context };
    this.#scheduler.close();
    this.#scheduler.takeActions();
  }

  #decision(actions: readonly Action[]): Decision {
    const customStatus = this.#context?.customStatusPayload;
    const { rejected } = this.#checks;
    return {
      actions,
      ...(customStatus === undefined ? {} : { customStatus }),
      ...(rejected.length === 0 ? {} : { rejected }),
    };
  }

  get #context(): ReplayContext | undefined {
    return 'context' in this.#state ? this.#state.context : undefined;
  }
}
