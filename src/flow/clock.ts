/** The time that a worker lives by. Tests give it another one; what waits for the world outside does not use it. */

/** Forgets a look that has not come. */
export type CancelPoll = () => void;

export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Calls back once, when this many milliseconds have passed, to look at what may have changed. */
  poll(ms: number, look: () => void): CancelPoll;
}

/** The clock of the process. */
export const processClock: Clock = {
  now: () => performance.now(),
  poll: (ms, look) => {
    const timer = setTimeout(look, ms);
    return () => clearTimeout(timer);
  },
};
