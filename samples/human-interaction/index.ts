/**
 * Human interaction: an orchestration that waits for a person, and does something about it when nobody answers. Here an
 * expense is put before the manager, after three days before the director, and after three more it is rejected.
 */
import { activity, defineEvent, http, orchestration } from 'perdure';
import { z } from 'zod'; // or any other library that speaks Standard Schema

interface Expense {
  readonly employee: string;
  readonly amount: number;
  /** How long each of them has to answer, such as `'30s'`. Default `'3d'`. */
  readonly patience?: string;
}

/** The answer of a person. What does not fit is refused where it is sent, with a 400 that says why. */
export const decision = defineEvent('Decision', z.object({ by: z.string(), approved: z.boolean() }));

export const expenseApproval = orchestration(
  'ExpenseApproval',
  { events: [decision] },
  async (ctx, expense: Expense) => {
    for (const approver of ['manager', 'director']) {
      await ctx.callActivity(ask, { approver, expense });
      ctx.setCustomStatus({ waitingFor: approver });
      const answer = await ctx.waitForExternalEvent(decision, {
        timeout: expense.patience ?? '3d',
        defaultValue: null,
      });
      if (answer !== null) return { approved: answer.approved, by: answer.by };
    }
    return { approved: false, by: 'nobody' };
  },
);

export const ask = activity('Ask', async ({ approver, expense }: { approver: string; expense: Expense }, ctx) => {
  // A real one sends a mail with two links; the id of the instance is what they need.
  ctx.log.info(`to the ${approver}: may ${expense.employee} spend ${expense.amount}?`, { instanceId: ctx.instanceId });
});

/** `POST /api/expenses`: hands an expense in. */
export const submitExpense = http(
  'SubmitExpense',
  { methods: ['POST'], route: 'expenses' },
  async (request, client) => {
    const expense = (await request.json()) as Expense;
    const instanceId = await client.startNew(expenseApproval, { input: expense });
    return client.createCheckStatusResponse(request, instanceId);
  },
);
