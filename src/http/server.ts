/** The HTTP front: everything it serves, put together. */
import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { ClientSource } from '../client/client.ts';
import type { HttpTriggerDefinition } from '../client/http-trigger.ts';
import { sendJson } from './answers.ts';
import { baseUrlReader } from './base-url.ts';
import { canonicalUrl, mount, splitTarget } from './canonical-url.ts';
import { Front } from './front.ts';
import { keyCheck, requireKey } from './plugins/auth.ts';
import { answerClientError, answerFrameworkError, handleErrors } from './plugins/error-handler.ts';
import { serveHealth } from './plugins/health.ts';
import { acceptAnyBody } from './plugins/json-body.ts';
import { documentRoutes, serveDocumentation } from './plugins/openapi.ts';
import { emptyProblem } from './problem.ts';
import { Query } from './query.ts';
import { routes } from './routes/index.ts';
import { serveTriggers } from './triggers/serve-triggers.ts';

/** Options of {@link createServer}. */
export interface ServerOptions {
  /** The user's own endpoints, served below `/api/`. */
  readonly triggers?: readonly HttpTriggerDefinition[] | undefined;
  /** Base of every link that is handed out, with or without a path. Default: taken from each request. */
  readonly publicUrl?: string | undefined;
  /** Asked for as `?code=` or `x-functions-key`. Default: none. */
  readonly systemKey?: string | undefined;
  /** Believe `X-Forwarded-Proto`, `-Host` and `-Port` when making links. Default `false`. */
  readonly trustProxy?: boolean | undefined;
  /** Bodies above it get 413. Default 4,194,304. */
  readonly maxBodyBytes?: number | undefined;
  /** Default: no log. */
  readonly logger?: FastifyBaseLogger | undefined;
  /** Whether the process is about to end; readiness then says so. */
  readonly isStopping?: (() => boolean) | undefined;
}

const defaultMaxBodyBytes = 4_194_304;
/** How long a whole request may take to arrive. */
const requestTimeoutMs = 60_000;

/**
 * Makes the HTTP front of a task hub: the management API of Durable Functions, the user's HTTP triggers, health and
 * documentation. The caller listens and closes.
 * @throws TypeError for a bad public URL, or for triggers whose routes cannot be served
 */
export async function createServer(
  hub: { readonly clients: ClientSource },
  options: ServerOptions = {},
): Promise<FastifyInstance> {
  const keys = keyCheck(options.systemKey);
  const baseUrl = baseUrlReader({ publicUrl: options.publicUrl, trustProxy: options.trustProxy ?? false });
  const hasPublicUrl = options.publicUrl !== undefined;
  const stopping = new AbortController();
  const front = new Front({ clients: hub.clients, baseUrl, keys, hasPublicUrl, stopping: stopping.signal });

  const app: FastifyInstance = Fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    // One log for all requests: a child for each costs more than most requests need.
    childLoggerFactory: (logger) => logger,
    genReqId: requestIds(),
    bodyLimit: options.maxBodyBytes ?? defaultMaxBodyBytes,
    requestTimeout: requestTimeoutMs,
    exposeHeadRoutes: false,
    // What still arrives while the server closes is served; the connection then ends.
    return503OnClosing: false,
    rewriteUrl: (request) => canonicalUrl(request.url ?? '/'),
    // Ids have their own limit, which answers 400; a header's size bounds them all.
    routerOptions: { maxParamLength: 65_536, querystringParser: readQuery },
    clientErrorHandler: (error, socket) => answerClientError(error, socket),
    frameworkErrors: (error, request, reply) => {
      // Found before routing, so before the key was looked at.
      const isAllowed = !request.url.startsWith(mount) || keys.isAllowed(request);
      answerFrameworkError(isAllowed ? error : emptyProblem(401), request, reply);
    },
  });

  handleErrors(app);
  acceptAnyBody(app);
  logRequests(app);
  await documentRoutes(app);
  app.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });

  await app.register(
    (management, _options, done) => {
      management.addHook('onRequest', requireKey(keys));
      handleErrors(management);
      for (const route of routes) route(management, front);
      done();
    },
    { prefix: mount },
  );
  serveHealth(app, {
    clients: hub.clients,
    isStopping: () => stopping.signal.aborted || options.isStopping?.() === true,
  });
  await serveDocumentation(app, keys);
  serveTriggers(app, { triggers: options.triggers ?? [], front, baseUrl, keys, hasPublicUrl });
  app.get('/', { schema: { hide: true } }, (_request, reply) =>
    sendJson(
      reply,
      200,
      JSON.stringify({ name: 'perdure', docs: '/docs', openapi: '/openapi.json', health: '/healthz' }),
    ),
  );
  return app;
}

/** Short ids that differ between processes and starts. */
function requestIds(): () => string {
  const prefix = randomBytes(6).toString('base64url');
  let count = 0;
  return () => `${prefix}-${(count++).toString(36)}`;
}

/** The router hands out query strings as one object; ours is not the usual record. */
function readQuery(text: string): Record<string, never> {
  return Query.parse(text) as unknown as Record<string, never>;
}

/** Names the request in its answer; logs it at debug level, without its query, which may hold the key. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  if (app.log.level !== 'debug' && app.log.level !== 'trace') return;
  app.addHook('onResponse', (request, reply, done) => {
    const { path } = splitTarget(request.originalUrl);
    const fields = { requestId: request.id, method: request.method, path, status: reply.statusCode };
    request.log.debug({ ...fields, ms: Math.round(reply.elapsedTime) }, 'request answered');
    done();
  });
}
