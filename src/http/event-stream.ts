/** Server-sent events: what every stream does, whatever it tells. */
import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import type { InstanceStatus } from '../model/instance.ts';
import type { Front } from './front.ts';
import { payloadText } from './payload-text.ts';
import { Problem } from './problem.ts';

/** Keeps proxies from taking the connection for dead. */
const heartbeatMs = 15_000;
/** A caller that reads slower than things happen is sent away, and comes back with the last id that it knows. */
const maxUnread = 1_048_576;
/** After how long a browser comes back, in ms. */
const retryMs = 2_000;
const retryAfterSeconds = 5;

export interface EventStream {
  /** @param event.id absent: nobody can go on behind it */
  send(event: { readonly name: string; readonly id?: string; readonly data: string }): void;
  /** Ends it from this side. */
  end(): void;
  /** Calls back once, when it ends, whoever ended it. */
  onEnd(listener: () => void): void;
}

/**
 * Takes a place for a stream, and gives it back when it ends.
 * @throws Problem 503 when there are as many as may be
 */
export function openStream(front: Front, reply: FastifyReply, begin: (stream: EventStream) => void): FastifyReply {
  if (!front.streams.enter()) {
    const message = 'There are as many event streams as this service serves. Try again later, or poll.';
    throw new Problem(503, { kind: 'object', message, type: 'TooManyStreams' }, retryAfterSeconds);
  }
  const body = new PassThrough();
  const write = (text: string): void => {
    if (body.writableEnded) return;
    body.write(text);
    if (body.writableLength + body.readableLength + reply.raw.writableLength > maxUnread) body.destroy();
  };
  const heartbeat = setInterval(() => write(': still here\n\n'), heartbeatMs).unref();
  const end = (): void => void body.end();
  const listeners: (() => void)[] = [];
  const leave = (): void => {
    body.destroy();
  };
  reply.raw.once('close', leave);
  front.stopping.addEventListener('abort', end);
  body.once('close', () => {
    clearInterval(heartbeat);
    reply.raw.off('close', leave);
    front.stopping.removeEventListener('abort', end);
    front.streams.leave();
    for (const listener of listeners) listener();
  });
  write(`retry: ${retryMs}\n\n`);
  begin({
    send: ({ name, id, data }) => write(`event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`),
    end,
    onEnd: (listener) => void listeners.push(listener),
  });
  if (front.stopping.aborted) end();
  return (
    reply
      .code(200)
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-store')
      .header('x-accel-buffering', 'no')
      // Else a server that stops would wait for the connection to be idle long enough.
      .header('connection', 'close')
      .send(body)
  );
}

/** What an event says of an instance; one line, as JSON text has no line breaks that are not in strings. */
export function presentChange(instance: InstanceStatus): string {
  return (
    `{"name":${JSON.stringify(instance.name)}` +
    `,"instanceId":${JSON.stringify(instance.instanceId)}` +
    `,"runtimeStatus":"${instance.runtimeStatus}"` +
    `,"customStatus":${payloadText(instance.customStatus).replace(/[\r\n]+/g, ' ')}` +
    `,"createdTime":"${instance.createdAt.toISOString()}"` +
    `,"lastUpdatedTime":"${instance.lastUpdatedAt.toISOString()}"}`
  );
}
