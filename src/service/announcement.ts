/** What a start tells: the log gets one line, people get addresses and, with the order sample, what to type next. */
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { isOrderSample } from './modules.ts';
import { retentionRules, retentionText, shortestRetention } from '../model/retention.ts';
import { orderJourney } from './order-journey.ts';
import type { HttpTriggerDefinition } from '../client/http-trigger.ts';
import { packageVersion } from '../package-root.ts';

/** What runs. */
export interface Announcement {
  readonly config: Config;
  readonly modules: readonly string[];
  readonly triggers: readonly HttpTriggerDefinition[];
  /** Where HTTP answers; `undefined` without HTTP. */
  readonly url: string | undefined;
  readonly logger: Logger;
}

/** Says on standard output that the service is ready. */
export function announce(announcement: Announcement): void {
  const { config, modules, url, logger } = announcement;
  const fields = { taskHub: config.taskHub, workers: config.workers, ...(url === undefined ? {} : { url }) };
  logger.info(fields, 'ready');
  // JSON logs are for machines; only somebody who tries the sample wants prose between them.
  const journey = url !== undefined && modules.some(isOrderSample) ? orderJourney(config, url) : undefined;
  if (config.log.format === 'pretty' || journey !== undefined) {
    logger.flush();
    process.stdout.write(`${[...addresses(announcement), ...(journey ?? [])].join('\n')}\n\n`);
  }
}

function addresses({ config, triggers, url }: Announcement): readonly string[] {
  const database =
    config.databaseUrl === undefined
      ? `embedded Postgres, data in ${config.dataDir}`
      : new URL(config.databaseUrl).host;
  const lines = [
    '',
    `Perdure ${packageVersion()} runs task hub '${config.taskHub}' on ${database}.`,
    ...retention(config),
  ];
  if (url === undefined) return lines;
  return [
    ...lines,
    '',
    `  management API   ${url}/runtime/webhooks/durabletask`,
    ...triggers.map(({ methods, route }) => `  your endpoint    ${url}/api/${route} (${methods.join(', ')})`),
    `  documentation    ${url}/docs`,
    '',
    '  Ctrl-C stops it; what runs goes on at the next start.',
  ];
}

/** Nobody shall be surprised by what disappears. */
function retention({ workers, retention: options }: Config): readonly string[] {
  if (workers === 0) return [];
  const rules = retentionRules(options);
  if (shortestRetention(rules) === 0) return ['What has ended is kept for ever (--retention 0).'];
  const first = options.exportTo === undefined ? '' : `, once it is written to ${options.exportTo}`;
  return [`What has ended is removed after ${retentionText(rules)}${first}; --retention changes that, 0 keeps it.`];
}
