/** Where traces go. The variables are those of OpenTelemetry; the SDK reads the others of its family itself. */
import { ConfigError, type Environment, setting } from './settings.ts';

/** How traces are sent. */
export interface TracesConfig {
  /** Where to, with the path; `undefined`: as the variables of OpenTelemetry say. */
  readonly url: string | undefined;
}

/**
 * @returns `undefined`: no traces are made
 * @throws ConfigError
 */
export function tracesConfig(flags: { readonly otlpEndpoint?: string }, env: Environment): TracesConfig | undefined {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const own = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || undefined;
  const { text, names } = setting(env, '--otlp-endpoint', flags.otlpEndpoint, 'OTEL_EXPORTER_OTLP_ENDPOINT');
  if (text === undefined && own === undefined) return undefined;
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] || env['OTEL_EXPORTER_OTLP_PROTOCOL'] || 'http/protobuf';
  if (protocol !== 'http/protobuf') {
    throw new ConfigError(`OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, not '${protocol}'.`);
  }
  if (text !== undefined && !/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) {
    throw new ConfigError(`${names} must be an http or https URL such as http://localhost:4318, not '${text}'.`);
  }
  if (flags.otlpEndpoint === undefined) return { url: undefined };
  return { url: `${flags.otlpEndpoint.replace(/\/+$/, '')}/v1/traces` };
}
