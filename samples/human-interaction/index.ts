/**
 * Human interaction: an orchestration that waits for a person, and does something about it when nobody answers. Here an
 * expense is put before the manager, after three days before the director, and after three more it is rejected.
 */
import { activity, defineEvent, http, orchestration } from 'perdure';
import { z } from 'zod'; // or any other library that speaks Standard Schema

// What does not fit these is refused where it comes in, with a 400 that says what is wrong.
const expense = z.object({
  employee: z.string(),
  amount: z.number().positive(),
  patience: z.string().default('3d'), // how long each of them has to answer
});
export const decision = defineEvent('Decision', z.object({ by: z.string(), approved: z.boolean() }));

export const expenseApproval = orchestration(
  'ExpenseApproval',
  { input: expense, events: [decision] },
  async (ctx, { employee, amount, patience }) => {
    for (const approver of ['manager', 'director']) {
      await ctx.callActivity(ask, `To the ${approver}: may ${employee} spend ${amount}?`);
      ctx.setCustomStatus({ waitingFor: approver });
      const answer = await ctx.waitForExternalEvent(decision, { timeout: patience, defaultValue: null });
      if (answer !== null) return { approved: answer.approved, by: answer.by };
    }
    return { approved: false, by: 'nobody' };
  },
);

export const ask = activity('Ask', async (question: string, ctx) => {
  // A real one sends a mail with two links; the id of the instance is what they need.
  ctx.log.info(question, { instanceId: ctx.instanceId });
});

/** `POST /api/expenses`: hands an expense in. */
export const submitExpense = http(
  'SubmitExpense',
  { methods: ['POST'], route: 'expenses' },
  async (request, client) => {
    const input = (await request.json()) as z.input<typeof expense>; // startNew looks whether it is one
    const instanceId = await client.startNew(expenseApproval, { input });
    return client.createCheckStatusResponse(request, instanceId);
  },
);
