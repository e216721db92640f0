/** Sends one webhook. It reaches what `callHttp` may reach, and follows no redirect. */
import type { Agent } from 'undici';
import type { AddressGuard } from './address-guard.ts';
import { openAgent } from './http-sender.ts';

const timeoutMs = 15_000;
const maxUrlLength = 2_000;

export class WebhookSender {
  readonly #guard: AddressGuard;
  #agent: Promise<Agent> | undefined;

  constructor(guard: AddressGuard) {
    this.#guard = guard;
  }

  /** Says what is wrong with the URL of a webhook, or `null` when it may be used. Names are resolved when it is sent. */
  problem(text: string): string | null {
    if (text.length > maxUrlLength) return `A completionWebhook has at most ${maxUrlLength} characters.`;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol))
      return 'A completionWebhook must be an http or https URL.';
    if (url.username !== '' || url.password !== '')
      return 'A completionWebhook must not hold a user name or a password.';
    try {
      this.#guard.check(url.hostname);
      return null;
    } catch {
      return `A completionWebhook may not reach ${url.hostname.slice(0, 100)}: it belongs to this machine or its network. Allow it with --http-allow.`;
    }
  }

  async send(
    request: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string },
    signal: AbortSignal,
  ): Promise<number> {
    const url = new URL(request.url);
    this.#guard.check(url.hostname);
    const dispatcher = await (this.#agent ??= openAgent(this.#guard));
    const { statusCode, body } = await dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers: request.headers,
      body: request.body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    // What it says does not matter, and how much it says must not.
    await body.dump({ limit: 65_536 });
    return statusCode;
  }

  async close(): Promise<void> {
    const agent = await this.#agent;
    await agent?.destroy();
  }
}
