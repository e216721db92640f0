/** The `order.ts` that docs/testing.md imports. */
import { activity, orchestration } from 'perdure';

export const chargeCard = activity('ChargeCard', (order: { readonly amount: number }) => ({
  paymentId: 'p-1',
  amount: order.amount,
}));
export const sendMail = activity('SendMail', (to: string) => `sent to ${to}`);
export const order = orchestration('Order', async (ctx, given: { readonly amount: number }) => {
  await ctx.callActivity(chargeCard, given);
  await ctx.callActivity(sendMail, 'ann@example.org');
  const answer = await ctx.waitForExternalEvent<string>('Approval', { timeout: '24h', defaultValue: null });
  return { outcome: answer === 'approved' ? 'fulfilled' : 'cancelled' };
});
