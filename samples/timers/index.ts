/**
 * Durable timers: waits of any length that survive everything and cost a row. Here a customer tries a product for thirty
 * days, is reminded before they end, and may subscribe at any time.
 */
import { activity, orchestration } from 'perdure';

interface Trial {
  readonly customer: string;
  /** Default `'25d'`. */
  readonly remindAfter?: string;
  /** From the reminder on. Default `'5d'`. */
  readonly endAfter?: string;
}

export const trial = orchestration('Trial', async (ctx, input: Trial) => {
  const { customer, remindAfter = '25d', endAfter = '5d' } = input;
  const subscribed = ctx.waitForExternalEvent<string>('Subscribed');

  // A race: whichever comes first.
  const reminder = ctx.createTimer(remindAfter);
  if ((await ctx.any([subscribed, reminder])) === reminder) {
    await ctx.callActivity(mail, { customer, text: `Your trial ends in ${endAfter}.` });
    const end = ctx.createTimer(endAfter);
    if ((await ctx.any([subscribed, end])) === end) {
      await ctx.callActivity(mail, { customer, text: 'Your trial has ended.' });
      return { customer, plan: 'none' };
    }
    end.cancel();
  } else {
    reminder.cancel(); // it shall not ring any more
  }
  return { customer, plan: await subscribed };
});

export const mail = activity('Mail', async ({ customer, text }: { customer: string; text: string }, ctx) => {
  ctx.log.info(`to ${customer}: ${text}`);
});
