/** The HTTP front: everything it serves, put together. */
import { randomBytes } from 'node:crypto';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Access } from '../client/access.ts';
import type { ClientSource } from '../client/client.ts';
import type { FunctionDefinition } from '../model/functions.ts';
import type { RetentionView } from '../retention/retention.ts';
import type { HttpTriggerDefinition } from '../client/http-trigger.ts';
import { HttpCounts } from '../metrics/http-counts.ts';
import { sendJson } from './answers.ts';
import { baseUrlReader } from './base-url.ts';
import { canonicalUrl, mount, splitTarget } from './canonical-url.ts';
import { Front } from './front.ts';
import { defaultLimits, type HttpLimits, limitConnections, overloaded, serverLimits, watchPressure } from './limits.ts';
import { localCheck } from './local.ts';
import { LinkSigner } from './link-signer.ts';
import { accessOf } from './operations.ts';
import { auditHooks, rememberAudits } from './plugins/audit.ts';
import { Gate, rememberCallers } from './plugins/auth.ts';
import { allowOrigins } from './plugins/cors.ts';
import { answerClientError, answerFrameworkError, handleErrors } from './plugins/error-handler.ts';
import { idempotencyHooks, rememberCalls } from './plugins/idempotency.ts';
import { isHealthPath, serveHealth } from './plugins/health.ts';
import { countRequests, isMetricsPath, type Metrics, serveMetrics } from './plugins/metrics.ts';
import { acceptAnyBody } from './plugins/json-body.ts';
import { documentRoutes, serveDocumentation } from './plugins/openapi.ts';
import { traceRequests } from './plugins/tracing.ts';
import { limitRate } from './plugins/rate-limit.ts';
import { limitPipelining } from './pipelining.ts';
import { emptyProblem } from './problem.ts';
import { Query } from './query.ts';
import { routes } from './routes/index.ts';
import { listAudit } from './admin/list-audit.ts';
import { serveKeys } from './admin/keys.ts';
import { serveRetention } from './admin/retention.ts';
import { serveTriggers } from './triggers/serve-triggers.ts';
import { type TrustProxy, trustFunction } from './trust-proxy.ts';

/** Options of {@link createServer}. */
export interface ServerOptions {
  /** The user's own endpoints, served below `/api/`. */
  readonly triggers?: readonly HttpTriggerDefinition[] | undefined;
  /** Base of every link that is handed out, with or without a path. Default: taken from each request. */
  readonly publicUrl?: string | undefined;
  /** Asked for as `?code=` or `x-functions-key`, and good for everything. Default: none. */
  readonly systemKey?: string | undefined;
  /** Ask for a key although there is no system key: the hub's named keys will do. Default `false`. */
  readonly requireKeys?: boolean | undefined;
  /** Put expiring tokens into links instead of the caller's key. Default `false`. */
  readonly signedLinks?: boolean | undefined;
  /** How long signed links are good, in ms. Default 604,800,000: 7 days. */
  readonly linkTtlMs?: number | undefined;
  /**
   * Calls without a key from one address and minute, above which they get 429; 0 for no limit. This machine itself is never
   * limited. Default: 1,000 where keys are asked for, else 0.
   */
  readonly rateLimit?: number | undefined;
  /**
   * Whose `X-Forwarded-*` headers are believed, for links and for the addresses of callers: nobody's (`false`), everybody's
   * (`true`), those of the addresses and ranges listed, or those of so many proxies. Default `false`.
   */
  readonly trustProxy?: TrustProxy | undefined;
  /** Origins whose pages may call, such as `https://app.example`; `*` for all. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Limits on time, connections, headers and load. */
  readonly limits?: Partial<HttpLimits> | undefined;
  /** Bodies above it get 413. Default 4,194,304. */
  readonly maxBodyBytes?: number | undefined;
  /** Default: no log. */
  readonly logger?: FastifyBaseLogger | undefined;
  /** Whether the process is about to end; readiness then says so. */
  readonly isStopping?: (() => boolean) | undefined;
}

const defaultMaxBodyBytes = 4_194_304;
const defaultLinkTtlMs = 7 * 86_400_000;
const defaultRateLimit = 1_000;

/**
 * Makes the HTTP front of a task hub: the management API of Durable Functions, the user's HTTP triggers, health and
 * documentation. The caller listens and closes.
 * @throws TypeError for a bad public URL or proxy, or for triggers whose routes cannot be served
 */
export async function createServer(
  hub: {
    readonly clients: ClientSource;
    readonly access?: Access;
    readonly functions?: readonly FunctionDefinition[];
    /** Served as `/metrics`. */
    readonly metrics?: Metrics;
    /** Told by `/admin/retention`. */
    readonly retention?: RetentionView;
  },
  options: ServerOptions = {},
): Promise<FastifyInstance> {
  const trustProxy = options.trustProxy ?? false;
  const baseUrl = baseUrlReader({ publicUrl: options.publicUrl, trustProxy });
  const limits = { ...defaultLimits, ...options.limits };
  const hasPublicUrl = options.publicUrl !== undefined;
  const stopping = new AbortController();
  const front = new Front({
    clients: hub.clients,
    baseUrl,
    hasPublicUrl,
    stopping: stopping.signal,
    maxWaiting: limits.maxWaitingRequests,
    maxStreams: limits.maxEventStreams,
  });
  const { access } = hub;
  const signer = new LinkSigner({
    access,
    always: options.signedLinks ?? false,
    ttlMs: options.linkTtlMs ?? defaultLinkTtlMs,
  });

  const app: FastifyInstance = Fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    // One log for all requests: a child for each costs more than most requests need.
    childLoggerFactory: (logger) => logger,
    genReqId: requestIds(),
    bodyLimit: options.maxBodyBytes ?? defaultMaxBodyBytes,
    ...serverLimits(limits),
    // Fastify takes a bare number of hops for nobody.
    trustProxy: trustFunction(trustProxy) ?? false,
    exposeHeadRoutes: false,
    // What still arrives while the server closes is served; the connection then ends.
    return503OnClosing: false,
    rewriteUrl: (request) => canonicalUrl(request.url ?? '/'),
    // Ids have their own limit, which answers 400; a header's size bounds them all.
    routerOptions: { maxParamLength: 65_536, querystringParser: readQuery },
    clientErrorHandler: (error, socket) => answerClientError(error, socket),
    frameworkErrors: (error, request, reply) => {
      // Found before routing, so before anybody looked who calls.
      if (!request.url.startsWith(mount)) return answerFrameworkError(error, request, reply);
      Promise.resolve(gate.identify(request)).then(
        (caller) => answerFrameworkError(caller === undefined ? emptyProblem(401) : error, request, reply),
        (failed: unknown) => answerFrameworkError(failed, request, reply),
      );
    },
  });
  const hasKeys = options.systemKey !== undefined || options.requireKeys === true;
  const gate = new Gate({
    systemKey: options.systemKey,
    requireKeys: options.requireKeys ?? false,
    access,
    defaultTaskHub: hub.clients.defaultTaskHub,
    corsOrigins: options.corsOrigins ?? [],
    isLocal: localCheck(trustFunction(trustProxy) !== undefined),
    rateLimit: await limitRate(app, options.rateLimit ?? (hasKeys ? defaultRateLimit : 0)),
  });
  rememberCallers(app);
  signer.remember(app);
  rememberAudits(app);
  rememberCalls(app);

  limitPipelining(app);
  traceRequests(app);
  limitConnections(app, limits);
  const isOverloaded = await watchPressure(app, limits);
  handleErrors(app);
  acceptAnyBody(app);
  welcomeRequests(app, isOverloaded);
  logRequests(app);
  const { metrics } = hub;
  if (metrics !== undefined) metrics.addServer(countRequests(app, new HttpCounts()));
  await allowOrigins(app, options.corsOrigins ?? []);
  await documentRoutes(app);
  app.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });

  await app.register(
    (management, _options, done) => {
      for (const hook of [gate.look, gate.requireCaller]) management.addHook('onRequest', hook);
      management.addHook('onRoute', (route) => {
        const operation = accessOf(route.schema?.operationId, String(route.method));
        if (route.method === 'POST') {
          const hooks = idempotencyHooks(front, { isBulk: route.url.startsWith(`${mount}/bulk/`) });
          route.preHandler = [hooks.begin, route.preHandler ?? []].flat();
          route.onSend = [route.onSend ?? [], hooks.finish].flat();
        }
        const checks = [gate.requireOperation(operation), ...(operation.hasLinks === true ? [signer.prepare] : [])];
        if (access !== undefined && operation.audit !== undefined) {
          const hooks = auditHooks(access, {
            ...operation,
            action: operation.audit,
            defaultTaskHub: hub.clients.defaultTaskHub,
          });
          checks.unshift(hooks.begin);
          route.preHandler = [route.preHandler ?? [], hooks.announce].flat();
          route.onSend = [route.onSend ?? [], hooks.finish].flat();
        }
        route.onRequest = [route.onRequest ?? [], checks].flat();
      });
      handleErrors(management);
      for (const route of routes) route(management, front);
      if (access !== undefined) listAudit(management, access, gate);
      done();
    },
    { prefix: mount },
  );
  serveHealth(app, {
    clients: hub.clients,
    isStopping: () => stopping.signal.aborted || options.isStopping?.() === true,
    isOverloaded,
  });
  await serveDocumentation(app, { gate, functions: hub.functions ?? [] });
  if (metrics !== undefined) serveMetrics(app, { metrics, gate });
  if (access !== undefined) serveKeys(app, access, gate);
  const { retention } = hub;
  if (retention !== undefined) serveRetention(app, { retention, taskHub: hub.clients.defaultTaskHub, gate });
  serveTriggers(app, { triggers: options.triggers ?? [], front, baseUrl, gate, signer, hasPublicUrl });
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

/** Names the request in its answer, and turns it away when the process cannot keep up; health and metrics are always told. */
function welcomeRequests(app: FastifyInstance, isOverloaded: () => boolean): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (isOverloaded() && !isHealthPath(request.url) && !isMetricsPath(request.url)) return done(overloaded());
    done();
  });
}

/** Logs requests at debug level, without their query, which may hold a key. */
function logRequests(app: FastifyInstance): void {
  if (app.log.level !== 'debug' && app.log.level !== 'trace') return;
  app.addHook('onResponse', (request, reply, done) => {
    const { path } = splitTarget(request.originalUrl);
    const fields = { requestId: request.id, method: request.method, path, status: reply.statusCode };
    request.log.debug({ ...fields, ms: Math.round(reply.elapsedTime) }, 'request answered');
    done();
  });
}
