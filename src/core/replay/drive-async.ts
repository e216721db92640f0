/**
 * Runs the steps of a turn, with the microtasks of user code run out after each. The one file of `core` that waits.
 *
 * How it knows that microtasks have run out: a `nextTick` callback that is queued *while microtasks run* is called only
 * when their queue is empty, because Node empties it wholly before it looks at the ticks. From any other place that is
 * not so: there, ticks go first. So the wait begins with one `await`, which makes what follows a microtask, and every
 * later continuation is one as well, because what wakes it is a promise.
 *
 * `setImmediate` would be right too. It was measured at more than twice the cost (1.5 µs against 0.7 µs on the machine
 * of the day), and it lets the event loop turn: then a promise that I/O resolves could wake an orchestrator inside a
 * turn, where it is not seen. With `nextTick` nothing from outside happens between the events of a turn.
 */
import { nextTick } from 'node:process';
import type { Decision } from '../../model/actions.ts';
import type { TurnScope } from './turn-scope.ts';

/**
 * What must happen before a turn's next step: microtasks must run out, or, after thousands of events, other work of
 * this thread (heartbeats, requests) must get its turn.
 */
export type Step = 'drain' | 'breathe';

/** The decision of a turn. Steps that need neither are taken in one go: no promise, no microtask. */
export async function drive(steps: Iterator<Step, Decision, void>, scope: TurnScope): Promise<Decision> {
  let step = steps.next();
  if (step.done === true) return step.value;
  await undefined;
  do {
    if (step.value === 'drain') await new Promise<void>(whenDrained);
    else await breathe(scope);
    step = steps.next();
  } while (step.done !== true);
  return step.value;
}

/** Made once, not for each event. */
function whenDrained(drained: () => void): void {
  nextTick(drained);
}

/** The turn is closed meanwhile: user code that anything wakes now was not woken by an event. */
async function breathe(scope: TurnScope): Promise<void> {
  scope.leave();
  await new Promise<void>((resume) => setImmediate(resume));
  scope.enter();
}
