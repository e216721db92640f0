import type { Config } from '../../config.ts';

/** What a task hub and its workers are told of the settings, in whatever thread. */
export function hubSettings(config: Config) {
  return {
    taskHub: config.taskHub,
    schema: config.schema,
    leaseMs: config.leaseMs,
    pollMs: config.pollMs,
    activityLimitMs: config.isolation.activityLimitMs,
    durableHttp: config.durableHttp,
    versioning: config.versioning,
    ...config.storageLimits,
  };
}
