/** Starts that wait for the end (http-api.md 2.3). */
import type { FastifyReply } from 'fastify';
import type { CompletedHere, LocalOrchestrationClient, OrchestrationClient } from '../client/client.ts';
import { DurableError } from '../model/errors.ts';
import { parseDuration } from '../model/duration.ts';
import type { OrchestrationInstance } from '../model/instance.ts';
import { sendJson } from './answers.ts';
import type { Front, ManagementRequest } from './front.ts';
import { checkStatusText, statusUri } from './links.ts';
import { hasEnded, presentOutput, presentStatus } from './present.ts';
import type { OnceExchange } from './plugins/idempotency.ts';
import type { Query } from './query.ts';
import { shownBy } from './shown.ts';

/** The longest time that a Node timer can wait. */
const maxTimeoutMs = 2_147_483_647;
/** Longer waits of status queries end after this: proxies would cut them, and callers may ask again. */
const maxLongPollMs = 300_000;
/** How long repetitions of a start that waits are turned away at most; then they get its links. */
const maxUnderWayMs = 3_600_000;

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

/** How long a status query is to wait for the end: seconds, or a duration such as `30s`. Not at all without. */
export function longPollMs(query: Query): number {
  const text = query.value('wait');
  if (text === undefined) return 0;
  const ms = /^\+?[\d.]/.test(text) && !/[a-z]$/i.test(text) ? (query.seconds('wait') ?? 0) * 1_000 : durationOf(text);
  return Math.min(ms, maxLongPollMs);
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new DurableError('InvalidArgument', `The query parameter 'wait': ${error.message}`, { cause: error });
  }
}

/** Where an answer is to go. */
export interface Exchange {
  readonly front: Front;
  readonly request: ManagementRequest;
  readonly reply: FastifyReply;
}

/** 202 with the links of an instance just started. */
export function sendStarted({ front, request, reply }: Exchange, instanceId: string): FastifyReply {
  if (request.once !== undefined) request.once.started = instanceId;
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
  client: LocalOrchestrationClient,
  wait: { readonly instanceId: string; readonly timeoutMs: number },
): Promise<FastifyReply> {
  const { front, request, reply } = exchange;
  const watching = request.once === undefined ? client : await storedFor(exchange, request.once, wait);
  const { instanceId, timeoutMs } = wait;
  const instance = await whileThere<OrchestrationInstance | CompletedHere | undefined>(exchange, {
    look: () => watching.getStatus(instanceId),
    wait: (signal) => watching.waitForOutput(instanceId, { timeoutMs, signal }),
  }).catch((error: unknown) => {
    // It is started, whatever becomes of the wait of a caller that has left, or as the server stops.
    if (front.stopping.aborted || reply.raw.destroyed) return undefined;
    throw error;
  });
  if (instance === undefined || !hasEnded(instance)) return sendStarted(exchange, wait.instanceId);
  if (instance.runtimeStatus === 'Completed') return sendJson(reply, 200, presentOutput(instance));
  const shown = shownBy(request.query);
  const status = shown.history ? await watching.getStatus(wait.instanceId, { showHistory: true }) : instance;
  return sendJson(reply, 200, presentStatus(status ?? instance, shown));
}

/** What was started begins when it is stored, before its end can be waited for; until then its answer is not known. */
async function storedFor(
  { front, request }: Exchange,
  once: OnceExchange,
  { instanceId, timeoutMs }: { readonly instanceId: string; readonly timeoutMs: number },
): Promise<LocalOrchestrationClient> {
  once.started = instanceId;
  const underWayMs = Math.min(timeoutMs, maxUnderWayMs) + 5_000;
  await once.call.keep({ status: 202, body: null, started: instanceId }, { underWayMs });
  return front.client(request);
}

/** As `waitForCompletion`, for a caller of the API. */
export function waitForEnd(
  exchange: Pick<Exchange, 'front' | 'reply'>,
  client: OrchestrationClient,
  { instanceId, timeoutMs }: { readonly instanceId: string; readonly timeoutMs: number },
): Promise<OrchestrationInstance | undefined> {
  return whileThere(exchange, {
    look: () => client.getStatus(instanceId),
    wait: (signal) => client.waitForCompletion(instanceId, { timeoutMs, signal }),
  });
}

/**
 * A caller that goes away, or a server that stops, ends the wait and never the orchestration. When as many wait as may, it
 * is as if the time were up.
 */
async function whileThere<T>(
  { front, reply }: Pick<Exchange, 'front' | 'reply'>,
  { look, wait }: { readonly look: () => Promise<T>; readonly wait: (signal: AbortSignal) => Promise<T> },
): Promise<T> {
  if (!front.waiting.enter()) return look();
  const left = leaving(front, reply);
  try {
    return await wait(left.signal);
  } finally {
    left.stop();
    front.waiting.leave();
  }
}

/** Aborts when the caller goes away or the server stops; to be stopped when nobody listens any more. */
export function leaving(front: Front, reply: FastifyReply): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  reply.raw.once('close', abort);
  front.stopping.addEventListener('abort', abort);
  if (front.stopping.aborted) abort();
  return {
    signal: controller.signal,
    stop: () => {
      reply.raw.off('close', abort);
      front.stopping.removeEventListener('abort', abort);
    },
  };
}
