/** For how long what has ended is kept. */
import { parseDuration } from './duration.ts';
import { DurableError } from './errors.ts';
import type { Duration } from './functions.ts';

/** Ways to end that may be kept for different times. What is cancelled counts as terminated. */
export const retainedStatuses = ['completed', 'failed', 'terminated'] as const;
export type RetainedStatus = (typeof retainedStatuses)[number];

/** After the end, by how it ended; 0 keeps it for ever. One time stands for all three. */
export type RetentionAge = Duration | Readonly<Partial<Record<RetainedStatus, Duration>>>;

/** What is removed, and when: counts as a purge, and takes the sub-orchestrations along. */
export interface RetentionOptions {
  /** Default `'90d'`. What is left out of an object is kept for 90 days too. */
  readonly after?: RetentionAge;
  /** The same for orchestrations of a name, without regard to case. What is left out of an object is as above. */
  readonly names?: Readonly<Record<string, RetentionAge>>;
  /**
   * A folder: what is removed is written there first, as JSON Lines compressed with gzip, which `perdure import` reads. What
   * cannot be written is not removed. Default: none.
   */
  readonly exportTo?: string;
  /** How long to wait between two sweeps through the hub. Default `'1h'`. */
  readonly every?: Duration;
}

/** In ms; 0: for ever. */
export type RetentionAges = Readonly<Record<RetainedStatus, number>>;

/** Retention as it is applied. */
export interface RetentionRules {
  readonly all: RetentionAges;
  readonly names: readonly { readonly name: string; readonly ages: RetentionAges }[];
}

const defaultMs = 90 * 86_400_000;

/** @throws DurableError `InvalidArgument` */
export function retentionRules({ after, names = {} }: Pick<RetentionOptions, 'after' | 'names'>): RetentionRules {
  const all = agesOf('retention.after', after, { completed: defaultMs, failed: defaultMs, terminated: defaultMs });
  return {
    all,
    names: Object.entries(names).map(([name, age]) => ({ name, ages: agesOf(`retention.names['${name}']`, age, all) })),
  };
}

function agesOf(where: string, age: RetentionAge | undefined, otherwise: RetentionAges): RetentionAges {
  if (age === undefined) return otherwise;
  const read = (duration: Duration): number => {
    try {
      return parseDuration(duration);
    } catch (error) {
      throw new DurableError('InvalidArgument', `${where}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (typeof age !== 'object') {
    const ms = read(age);
    return { completed: ms, failed: ms, terminated: ms };
  }
  const unknown = Object.keys(age).find((status) => !retainedStatuses.some((one) => one === status));
  if (unknown !== undefined) {
    throw new DurableError('InvalidArgument', `${where} knows ${retainedStatuses.join(', ')}, not '${unknown}'.`);
  }
  const ms = (status: RetainedStatus): number => {
    const given = age[status];
    return given === undefined ? otherwise[status] : read(given);
  };
  return { completed: ms('completed'), failed: ms('failed'), terminated: ms('terminated') };
}

/** The shortest time that anything is kept; 0 when all is kept for ever. */
export function shortestRetention({ all, names }: RetentionRules): number {
  const ages = [all, ...names.map((one) => one.ages)].flatMap((one) => retainedStatuses.map((status) => one[status]));
  const removing = ages.filter((ms) => ms > 0);
  return removing.length === 0 ? 0 : Math.min(...removing);
}

/** For people and logs: `90d`, `completed=30d, failed=180d, terminated=30d; OrderOrchestrator: 7d`. */
export function retentionText({ all, names }: RetentionRules): string {
  return [agesText(all), ...names.map(({ name, ages }) => `${name}: ${agesText(ages)}`)].join('; ');
}

function agesText(ages: RetentionAges): string {
  const { completed, failed, terminated } = ages;
  if (completed === failed && failed === terminated) return ageText(completed);
  return retainedStatuses.map((status) => `${status}=${ageText(ages[status])}`).join(', ');
}

function ageText(ms: number): string {
  if (ms === 0) return 'for ever';
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const;
  const [unit, length] = units.find(([, one]) => ms % one === 0) ?? ['ms', 1];
  return `${ms / length}${unit}`;
}
