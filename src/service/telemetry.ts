/** Makes traces come to something: the SDK of OpenTelemetry and the exporter, loaded only when they are asked for. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { within } from '../flow/within.ts';
import { packageVersion } from '../package-root.ts';
import { SpanIds } from '../tracing/span-ids.ts';
import type { TracesConfig } from '../traces-config.ts';

/** How long the last spans may take to be sent when the process ends. */
const maxFlushMs = 3_000;

export interface Telemetry {
  /** For the task hub: the ids of its spans. */
  readonly spanIds: SpanIds;
  /** Sends what is left. */
  stop(): Promise<void>;
}

/** To be called before the task hub is made. Variables of OpenTelemetry say the rest: service name, sampling, headers, batches. */
export async function startTelemetry({ url }: TracesConfig, logger: Logger): Promise<Telemetry> {
  const [node, { OTLPTraceExporter }, resources, { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION }] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/semantic-conventions'),
  ]);
  const warn = (message: string, ...details: unknown[]): void => logger.warn({ details }, `traces: ${message}`);
  diag.setLogger(
    { error: warn, warn, info: () => undefined, debug: () => undefined, verbose: () => undefined },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const spanIds = new SpanIds();
  const exporter = new OTLPTraceExporter(url === undefined ? {} : { url });
  const provider = new node.NodeTracerProvider({
    idGenerator: spanIds,
    resource: resources
      .resourceFromAttributes({ [ATTR_SERVICE_NAME]: 'perdure', [ATTR_SERVICE_VERSION]: packageVersion() })
      .merge(resources.detectResources({ detectors: [resources.envDetector, resources.processDetector] })),
    spanProcessors: [new node.BatchSpanProcessor(exporter)],
  });
  provider.register();
  return {
    spanIds,
    stop: async () => {
      if (!(await within(provider.shutdown(), maxFlushMs))) logger.warn('traces: the last spans were not sent');
    },
  };
}
