/**
 * Who may import whom, from `src` and from packages: the table in the design document, as data. Anything that is not
 * listed is forbidden; a zone may always import its own files. More specific zones come later and win.
 *
 * @typedef {object} Zone
 * @property {string} files what the row is about: a folder or file below src
 * @property {readonly string[]} src folders and files below src
 * @property {readonly string[]} [types] the same, for `import type` only
 * @property {readonly string[]} packages npm packages; `name/*` for a scope, `type:name` for types only
 * @property {readonly string[] | 'all'} node built-in modules
 */

/** @type {readonly Zone[]} */
export const zones = [
  { files: 'model', src: [], packages: ['type:@standard-schema/spec'], node: [] },
  { files: 'flow', src: [], packages: [], node: [] },
  { files: 'core/state', src: ['model'], packages: [], node: [] },
  { files: 'core/replay', src: ['model'], packages: [], node: [] },
  { files: 'core/replay/deterministic.ts', src: ['model', 'core/replay'], packages: [], node: ['node:crypto'] },
  // nextTick, to know when microtasks have run out.
  { files: 'core/replay/drive-async.ts', src: ['model', 'core/replay'], packages: [], node: ['node:process'] },
  { files: 'store/store.ts', src: ['model', 'store/listing-store.ts'], packages: [], node: [] },
  { files: 'store/listing-store.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/once-store.ts', src: ['model', 'store/store.ts'], packages: [], node: [] },
  { files: 'store/webhook-store.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/metrics-store.ts', src: [], packages: [], node: [] },
  { files: 'store/access-store.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/retention-store.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/archive-store.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/supervisor-store.ts', src: ['model'], packages: [], node: [] },
  // What every store says alike.
  { files: 'store/executable-names.ts', src: ['model'], packages: [], node: [] },
  { files: 'store/continuation-token.ts', src: ['model'], packages: [], node: ['node:crypto'] },
  { files: 'store/activity-not-registered.ts', src: ['model'], packages: [], node: [] },
  {
    files: 'store/postgres',
    src: [
      'model',
      'flow',
      'store/store.ts',
      'store/listing-store.ts',
      'store/access-store.ts',
      'store/once-store.ts',
      'store/supervisor-store.ts',
      'store/webhook-store.ts',
      'store/metrics-store.ts',
      'store/retention-store.ts',
      'store/archive-store.ts',
      'store/executable-names.ts',
      'store/continuation-token.ts',
      'store/activity-not-registered.ts',
    ],
    packages: ['pg', 'kysely', 'type:pino'],
    node: 'all',
  },
  {
    files: 'store/memory',
    src: [
      'model',
      'store/store.ts',
      'store/listing-store.ts',
      'store/executable-names.ts',
      'store/continuation-token.ts',
      'store/activity-not-registered.ts',
    ],
    packages: [],
    node: 'all',
  },
  { files: 'store/embedded', src: [], packages: ['pg'], node: 'all' },
  {
    files: 'worker',
    src: ['model', 'flow', 'core/state', 'store/store.ts', 'store/webhook-store.ts'],
    packages: ['lru-cache', 'type:pino'],
    node: 'all',
  },
  {
    files: 'worker/in-process',
    src: ['model', 'core/replay', 'worker/executor.ts'],
    packages: ['type:pino'],
    node: 'all',
  },
  {
    files: 'worker/in-process/built-in',
    src: ['model'],
    packages: ['ipaddr.js', 'undici'],
    node: 'all',
  },
  {
    files: 'worker/in-process/load-functions.ts',
    src: ['durable-functions/registrations.ts', 'model', 'worker/in-process', 'client/http-trigger.ts'],
    packages: ['tsx/*'],
    node: 'all',
  },
  {
    files: 'client',
    src: ['model', 'flow', 'store/store.ts', 'store/access-store.ts', 'store/once-store.ts'],
    types: ['wire'],
    packages: [],
    node: 'all',
  },
  { files: 'wire', src: [], types: ['model'], packages: ['zod'], node: [] },
  // Counts to metrics, when somebody looks.
  {
    files: 'metrics',
    src: ['model', 'worker/counters.ts', 'store/metrics-store.ts'],
    packages: ['prom-client'],
    node: 'all',
  },
  // Spans: only the API of OpenTelemetry, which does nothing without an SDK.
  {
    files: 'tracing',
    src: ['model', 'worker/executor.ts'],
    types: ['core/state/close-turn.ts', 'client/local-client-parts.ts', 'worker'],
    packages: ['@opentelemetry/api'],
    node: ['node:crypto'],
  },
  { files: 'metrics/http-counts.ts', src: [], packages: [], node: [] },
  {
    files: 'http',
    src: [
      'model',
      'metrics/http-counts.ts',
      'tracing/contexts.ts',
      'wire',
      'client/access.ts',
      'client/client.ts',
      'client/entity-client.ts',
      'client/http-trigger.ts',
      'client/listing-client.ts',
      'client/once.ts',
      'client/status-events.ts',
    ],
    packages: [
      'fastify',
      '@fastify/*',
      'fastify-type-provider-zod',
      'zod',
      'secure-json-parse',
      'prom-client',
      '@opentelemetry/api',
      'type:pino',
    ],
    node: 'all',
  },
  {
    files: 'cli',
    src: ['config.ts', 'client', 'store/postgres/migrate.ts'],
    types: ['retention-settings.ts'],
    packages: ['commander'],
    node: 'all',
  },
  // What has ended: removed in time, written to files, brought back.
  {
    files: 'archive',
    src: ['model', 'store/archive-store.ts', 'store/listing-store.ts'],
    packages: ['zod'],
    node: 'all',
  },
  {
    files: 'retention',
    src: ['model', 'archive', 'store/access-store.ts', 'store/archive-store.ts', 'store/retention-store.ts'],
    packages: ['type:pino'],
    node: 'all',
  },
  { files: 'settings.ts', src: ['model'], packages: [], node: 'all' },
  { files: 'listen-config.ts', src: ['settings.ts'], packages: [], node: [] },
  { files: 'retention-settings.ts', src: ['settings.ts', 'model'], packages: [], node: [] },
  { files: 'traces-config.ts', src: ['settings.ts'], packages: [], node: [] },
  {
    files: 'config.ts',
    src: ['settings.ts', 'listen-config.ts', 'retention-settings.ts', 'traces-config.ts', 'model'],
    packages: [],
    node: 'all',
  },
  { files: 'package-root.ts', src: [], packages: [], node: 'all' },
  { files: 'logger.ts', src: ['config.ts'], packages: ['pino', 'pino-pretty', '@opentelemetry/api'], node: 'all' },
  {
    files: 'hub-worker.ts',
    src: ['model', 'core/state', 'store/store.ts', 'worker', 'tracing'],
    packages: ['type:pino'],
    node: [],
  },
  {
    files: 'task-hub.ts',
    src: [
      ...['model', 'flow', 'core', 'store', 'worker', 'client', 'metrics', 'tracing', 'archive', 'retention'],
      ...['hub-worker.ts', 'config.ts', 'logger.ts', 'package-root.ts'],
    ],
    packages: ['pg', 'kysely', 'pino'],
    node: 'all',
  },
  {
    files: 'hub-tools.ts',
    src: ['model', 'store', 'archive', 'retention'],
    packages: ['type:pino'],
    node: [],
  },
  // perdure/eslint-plugin: runs inside the linter, and knows nothing of the rest.
  { files: 'eslint-plugin', src: [], packages: ['type:eslint'], node: ['node:module'] },
  // perdure/testing: a hub without Postgres.
  {
    files: 'testing',
    src: ['model', 'flow', 'core', 'store/store.ts', 'store/memory', 'worker', 'client'],
    packages: ['pino'],
    node: ['node:async_hooks'],
  },
  // The process, for which main.ts is the door. Everything but the command line, which gives it its request.
  {
    files: 'service',
    src: [
      'model',
      'store/embedded',
      'worker/in-process',
      'client',
      'archive',
      'hub-tools.ts',
      'http',
      'config.ts',
      'listen-config.ts',
      'traces-config.ts',
      'flow',
      'tracing/span-ids.ts',
      'logger.ts',
      'package-root.ts',
      'task-hub.ts',
    ],
    types: ['cli/commands', 'retention-settings.ts'],
    packages: ['type:fastify', 'pino', 'cli-progress', '@opentelemetry/*'],
    node: 'all',
  },
  { files: 'main.ts', src: ['cli', 'service', 'package-root.ts'], packages: [], node: 'all' },
  // Another way in for user code: the interface of the package of that name.
  {
    files: 'durable-functions',
    src: [
      'model',
      'core/replay/user-log.ts',
      'core/replay/task-failed-error.ts',
      'client',
      'http/present.ts',
      'http/present-history.ts',
    ],
    packages: [],
    node: [],
  },
  // perdure/client: the verbs over HTTP. Brings no package along, and of our own nothing that needs one.
  {
    files: 'http-client',
    src: [
      'model',
      'client/arguments.ts',
      'client/client.ts',
      'client/entity-client.ts',
      'client/entity-state.ts',
      'client/listing-client.ts',
      'client/to-text.ts',
      'http/canonical-url.ts',
      'http/links.ts',
      'http/present.ts',
    ],
    packages: [],
    node: [],
  },
  {
    files: 'index.ts',
    src: [
      'model',
      'core/replay/task-failed-error.ts',
      'core/replay/entity-operation-failed-error.ts',
      'client',
      'http/server.ts',
      'metrics/hub-metrics.ts',
      'tracing/span-ids.ts',
      'worker/in-process',
      'retention/retention.ts',
      'task-hub.ts',
    ],
    packages: [],
    node: [],
  },
];
