/**
 * Error handling: what is tried again, what is not, how long a try may take, and what to do when nothing helps. Here an
 * invoice is mailed; one that no mail can reach is printed and posted.
 */
import { activity, NonRetriableError, orchestration, TaskFailedError } from 'perdure';

interface Invoice {
  readonly to: string;
  /** For trying things out: how many tries at the mail fail. Default 0. */
  readonly failures?: number;
}

export const sendInvoice = orchestration('SendInvoice', async (ctx, invoice: Invoice) => {
  try {
    await ctx.callActivity(sendMail, invoice, {
      retry: { firstRetryIntervalInMilliseconds: 500, backoffCoefficient: 2, maxNumberOfAttempts: 3 },
      timeout: '30s', // for each try; then it has failed with a TimeoutError
    });
    return 'mailed';
  } catch (error) {
    // The name of the error that the activity threw is what decisions are made by. Any other ends this orchestration as
    // Failed, with the same details.
    if (!(error instanceof TaskFailedError) || error.failureDetails.errorType !== 'NoSuchMailbox') throw error;
    ctx.log.warn('posting it instead', { reason: error.failureDetails.message });
    await ctx.callActivity(printAndPost, invoice);
    return 'posted';
  }
});

/** Trying again does not help: no retry policy is asked. */
class NoSuchMailbox extends NonRetriableError {
  override readonly name = 'NoSuchMailbox';
}

export const sendMail = activity('SendMail', async ({ to, failures = 0 }: Invoice, ctx) => {
  if (!to.includes('@')) throw new NoSuchMailbox(`'${to}' is no mail address`);
  if (ctx.attempt <= failures) throw new Error(`the mail server is busy (try ${ctx.attempt})`);
});

export const printAndPost = activity('PrintAndPost', async ({ to }: Invoice, ctx) => {
  ctx.log.info('posted', { to });
});
