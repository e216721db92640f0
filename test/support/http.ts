/** What a user does with curl. */
import { waitFor } from './wait-for.ts';

/** An answer with its JSON body, if it has one. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Whatever the service sent; assertions check it. */
  readonly body: ReturnType<typeof JSON.parse>;
}

export async function send(method: string, url: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

/** The status of an instance once it is as wanted. */
export function reach(
  url: string,
  wanted: (status: Answer['body']) => boolean,
  { what, timeoutMs = 60_000 }: { readonly what: string; readonly timeoutMs?: number },
): Promise<Answer> {
  return waitFor(
    async () => {
      const answer = await send('GET', url);
      return wanted(answer.body) && answer;
    },
    { what, timeoutMs, intervalMs: 20 },
  );
}

/** Where the management API is. */
export function management(url: string): string {
  return `${url}/runtime/webhooks/durabletask`;
}
