/** Health and metrics by themselves, for processes that serve no HTTP else, and for ports that only probes can reach. */
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Access } from '../client/access.ts';
import type { ClientSource } from '../client/client.ts';
import { Gate, rememberCallers } from './plugins/auth.ts';
import { handleErrors } from './plugins/error-handler.ts';
import { serveHealth } from './plugins/health.ts';
import { type Metrics, serveMetrics } from './plugins/metrics.ts';
import { onlyDescribe } from './plugins/openapi.ts';
import { localCheck } from './local.ts';
import type { ServerOptions } from './server.ts';

const requestTimeoutMs = 10_000;

/** Makes the server of `--monitor-port`. The caller listens and closes. */
export function createMonitor(
  hub: { readonly clients: ClientSource; readonly access: Access; readonly metrics: Metrics },
  options: Pick<ServerOptions, 'isStopping' | 'requireKeys' | 'systemKey'> & { readonly logger: FastifyBaseLogger },
): FastifyInstance {
  const app: FastifyInstance = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: requestTimeoutMs,
    exposeHeadRoutes: false,
    return503OnClosing: false,
  });
  const { clients, access, metrics } = hub;
  const gate = new Gate({
    systemKey: options.systemKey,
    requireKeys: options.requireKeys ?? false,
    access,
    defaultTaskHub: clients.defaultTaskHub,
    corsOrigins: [],
    isLocal: localCheck(false),
    rateLimit: () => undefined,
  });
  onlyDescribe(app);
  rememberCallers(app);
  handleErrors(app);
  serveHealth(app, { clients, isStopping: () => options.isStopping?.() === true, isOverloaded: () => false });
  serveMetrics(app, { metrics, gate });
  return app;
}
