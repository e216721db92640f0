import { DurableError } from '../model/errors.ts';
import type { StartSettings } from './client.ts';

/** What this process does with completion webhooks. */
export interface WebhookRules {
  /** Says what is wrong with a URL, or `null`. */
  problem(url: string): string | null;
  /** Called when there is one. */
  registered(): void;
}

/** @throws DurableError `InvalidArgument` for a URL that cannot be, or when nobody would deliver it */
export function webhookOf(
  { completionWebhook: url }: StartSettings,
  rules: WebhookRules | undefined,
): { readonly webhook?: string } {
  if (url === undefined) return {};
  if (rules === undefined) {
    throw new DurableError(
      'InvalidArgument',
      'Completion webhooks are off: there is no secret to sign them with (--webhook-secret, PERDURE_WEBHOOK_SECRET).',
    );
  }
  const problem = typeof url === 'string' ? rules.problem(url) : 'A completionWebhook must be a text.';
  if (problem !== null) throw new DurableError('InvalidArgument', problem);
  rules.registered();
  return { webhook: url };
}
