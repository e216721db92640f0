/** Starts that wait for the end (http-api.md 2.3). */
import type { FastifyReply } from 'fastify';
import type { OrchestrationClient } from '../client/client.ts';
import { DurableError } from '../model/errors.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import { sendJson } from './answers.ts';
import type { Front, ManagementRequest } from './front.ts';
import { checkStatusText, statusUri } from './links.ts';
import { hasEnded, presentOutput, presentStatus } from './present.ts';
import type { Query } from './query.ts';
import { shownBy } from './shown.ts';

/** The longest time that a Node timer can wait. */
const maxTimeoutMs = 2_147_483_647;

/**
 * How long a start is to wait, or `undefined`. `timeout` alone suffices: waiting does not poll. Checked before anything
 * is started; the real service checks afterwards and its caller never learns the id.
 */
export function waitRequested(query: Query): { readonly timeoutMs: number } | undefined {
  const timeout = query.seconds('timeout');
  const interval = query.seconds('pollingInterval');
  if (timeout === undefined) return undefined;
  if (interval !== undefined && interval > timeout) {
    const text = `Total timeout ${timeout} should be bigger than retry timeout ${interval}`;
    throw new DurableError('InvalidArgument', text);
  }
  return { timeoutMs: Math.min(timeout * 1_000, maxTimeoutMs) };
}

/** Where an answer is to go. */
export interface Exchange {
  readonly front: Front;
  readonly request: ManagementRequest;
  readonly reply: FastifyReply;
}

/** 202 with the links of an instance just started. */
export function sendStarted({ front, request, reply }: Exchange, instanceId: string): FastifyReply {
  const links = front.links(request);
  void reply.header('location', statusUri(links, instanceId)).header('retry-after', '10');
  return sendJson(reply, 202, checkStatusText(links, instanceId));
}

/**
 * 200 with the bare output when it completed in time, 200 with the status when it ended otherwise (also when the request
 * says `returnInternalServerErrorOnFailure`), else as without waiting.
 */
export async function sendEnded(
  exchange: Exchange,
  client: OrchestrationClient,
  wait: { readonly instanceId: string; readonly timeoutMs: number },
): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const instance = await waitForEnd(exchange, client, wait);
  if (instance === undefined || !hasEnded(instance)) return sendStarted(exchange, wait.instanceId);
  if (instance.runtimeStatus === 'Completed') return sendJson(reply, 200, presentOutput(instance));
  const shown = shownBy(request.query);
  const status = shown.history ? await client.getStatus(wait.instanceId, { showHistory: true }) : instance;
  return sendJson(reply, 200, presentStatus(status ?? instance, shown));
}

/** A caller that goes away, or a server that stops, ends the wait and never the orchestration. */
async function waitForEnd(
  { front, reply }: Exchange,
  client: OrchestrationClient,
  wait: { readonly instanceId: string; readonly timeoutMs: number },
): Promise<OrchestrationInstance | undefined> {
  const waiting = new AbortController();
  const stop = () => waiting.abort();
  reply.raw.once('close', stop);
  front.stopping.addEventListener('abort', stop);
  if (front.stopping.aborted) stop();
  try {
    return await client.waitForCompletion(wait.instanceId, { timeoutMs: wait.timeoutMs, signal: waiting.signal });
  } catch (error) {
    if (waiting.signal.aborted) return undefined;
    throw error;
  } finally {
    reply.raw.off('close', stop);
    front.stopping.removeEventListener('abort', stop);
  }
}
