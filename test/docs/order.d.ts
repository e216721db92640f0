/** The `order.ts` that docs/testing.md imports. */
import type { ActivityDefinition, OrchestrationDefinition } from 'perdure';

interface Payment {
  readonly paymentId: string;
  readonly amount: number;
}

export const chargeCard: ActivityDefinition<{ readonly amount: number }, Payment>;
export const sendMail: ActivityDefinition<string, string>;
export const order: OrchestrationDefinition<{ readonly amount: number }, { readonly outcome: string }>;
