/** What each instance of a plan has to return: the arithmetic of the functions, without an engine. */
import type { ControlledInput, OrderInput, TimersInput, TreeInput } from './types.ts';

export function orderOutcome(input: OrderInput, approvedBy: string | undefined): unknown {
  let total = 0;
  for (const item of input.items) total += item;
  if (approvedBy === undefined) return { order: input.order, total, outcome: 'expired' };
  if (input.lost) return { order: input.order, total, outcome: 'refunded', by: approvedBy };
  return { order: input.order, total, outcome: 'shipped', by: approvedBy, tracking: `${input.order} packed` };
}

/** As many leaves as breadth to the power of depth. */
export function treeSum({ breadth, depth, value }: TreeInput): number {
  return value * breadth ** depth;
}

export function timerCount({ parallel, chain }: TimersInput): number {
  return parallel.length + chain.length;
}

/** The sum of 1 to n. */
export function stepSum({ steps }: ControlledInput): number {
  return (steps * (steps + 1)) / 2;
}
