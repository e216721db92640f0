/** Health for probes and load balancers; never wants a key. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ClientSource } from '../../client/client.ts';
import { hasCode } from '../../model/errors.ts';
import { answer } from '../../wire/fields.ts';
import { type Health, health } from '../../wire/health.ts';
import { sendJson } from '../answers.ts';

/** A probe that hangs tells less than one that fails. */
const pingTimeoutMs = 2_000;

export interface HealthParts {
  readonly clients: ClientSource;
  readonly isStopping: () => boolean;
  readonly isOverloaded: () => boolean;
}

const paths = ['/livez', '/readyz', '/healthz'] as const;

/** Whether a URL is one of those here, which are answered whatever happens. */
export function isHealthPath(url: string): boolean {
  return paths.some((path) => url === path || url.startsWith(`${path}?`));
}

export function serveHealth(app: FastifyInstance, parts: HealthParts): void {
  const alive = {
    operationId: 'getLiveness',
    summary: 'Whether the process runs',
    tags: ['Health'],
    response: { 200: answer(health, 'It does.') },
  };
  app.get('/livez', { schema: alive }, (_request, reply) => send(reply, 'ok'));

  const ready = (operationId: string) => ({
    operationId,
    summary:
      'Whether the service can work: the database answers, and it is neither stopping nor overloaded nor older than its tables',
    tags: ['Health'],
    response: { 200: answer(health, 'It can.'), 503: answer(health, 'It cannot.') },
  });
  const handler = async (_request: unknown, reply: FastifyReply) => send(reply, await readiness(parts));
  app.get('/readyz', { schema: ready('getReadiness') }, handler);
  app.get('/healthz', { schema: ready('getHealth') }, handler);
}

function send(reply: FastifyReply, status: Health['status']): FastifyReply {
  const body: Health = { status };
  return sendJson(reply.header('cache-control', 'no-store'), status === 'ok' ? 200 : 503, JSON.stringify(body));
}

async function readiness({ clients, isStopping, isOverloaded }: HealthParts): Promise<Health['status']> {
  if (isStopping()) return 'stopping';
  if (isOverloaded()) return 'overloaded';
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'unavailable'>((resolve) => {
    timer = setTimeout(() => resolve('unavailable'), pingTimeoutMs);
  });
  const answered = clients.ping().then(
    () => 'ok' as const,
    (error: unknown) => (hasCode(error, 'SchemaMismatch') ? ('superseded' as const) : ('unavailable' as const)),
  );
  try {
    return await Promise.race([answered, late]);
  } finally {
    clearTimeout(timer);
  }
}
