/** For how long what has ended is kept, as flags and variables say it. */
import { type RetainedStatus, retainedStatuses, type RetentionAge, type RetentionOptions } from './model/retention.ts';
import { ConfigError, duration, type Environment, setting, type Setting } from './settings.ts';

/** Flags by their names in camel case. */
export interface RetentionFlags {
  readonly retention?: string;
  /** Each `name=time`. */
  readonly retentionName?: readonly string[];
  readonly retentionExport?: string;
}

/** @throws ConfigError */
export function retentionConfig(flags: RetentionFlags, env: Environment): RetentionOptions {
  const after = setting(env, '--retention', flags.retention, 'PERDURE_RETENTION');
  // One variable holds what the flag says several times.
  const names = setting(env, '--retention-name', flags.retentionName?.join(';'), 'PERDURE_RETENTION_NAMES');
  const exportTo = setting(env, '--retention-export', flags.retentionExport, 'PERDURE_RETENTION_EXPORT').text;
  if (exportTo === '') throw new ConfigError('--retention-export (PERDURE_RETENTION_EXPORT) must be a folder.');
  return {
    ...(after.text === undefined ? {} : { after: age(after.text, after) }),
    ...(names.text === undefined ? {} : { names: agesByName(names.text, names) }),
    ...(exportTo === undefined ? {} : { exportTo }),
  };
}

function agesByName(text: string, given: Setting): Record<string, RetentionAge> {
  const entries = text
    .split(';')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [, name = '', times] = /^([^=]+)=(.*)$/.exec(entry) ?? [];
      if (times === undefined) {
        throw new ConfigError(`${given.names} must be a name and a time such as OrderOrchestrator=7d, not '${entry}'.`);
      }
      return [name.trim(), age(times, given)];
    }),
  );
}

/** `30d`, `completed=30d,failed=180d`, or the first for all that the rest does not name. */
function age(text: string, given: Setting): RetentionAge {
  const times: Partial<Record<RetainedStatus, number>> = {};
  for (const part of text.split(',').map((one) => one.trim())) {
    const [, word = '', time = part] = /^(\w+)=(.*)$/.exec(part) ?? [];
    const status = retainedStatuses.find((one) => one === word.toLowerCase());
    if (word !== '' && status === undefined) {
      throw new ConfigError(`${given.names} knows ${retainedStatuses.join(', ')}, not '${word}'.`);
    }
    const ms = duration({ text: time, names: given.names }, 0);
    for (const one of status === undefined ? retainedStatuses : [status]) times[one] = ms;
  }
  return times;
}
