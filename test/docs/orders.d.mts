/** The `orders.mjs` that the tutorial writes, for the test that it writes. */
import type { ActivityDefinition, OrchestrationDefinition } from 'perdure';

interface Order {
  readonly id: string;
  readonly item: string;
  readonly amount: number;
}

export const reserve: ActivityDefinition<Order, string>;
export const pay: ActivityDefinition<Order, string>;
export const ship: ActivityDefinition<Order, string>;
export const orderOrchestrator: OrchestrationDefinition<Order, { readonly outcome: string }>;
