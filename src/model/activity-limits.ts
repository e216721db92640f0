/** How many runs of one activity may be under way at the same time. */
export interface ActivityLimits {
  /** In one worker. Absent: as many as the worker has slots. */
  readonly maxConcurrentPerWorker?: number;
  /** In the whole task hub, over all workers. Absent: no limit. */
  readonly maxConcurrentPerHub?: number;
}

/** @throws TypeError for a limit that is no whole number of at least 1 */
export function checkLimits(name: string, limits: ActivityLimits): ActivityLimits {
  const checked: { -readonly [K in keyof ActivityLimits]: ActivityLimits[K] } = {};
  for (const key of ['maxConcurrentPerWorker', 'maxConcurrentPerHub'] as const) {
    const value = limits[key];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < 1) {
      throw new TypeError(`activity('${name}', …): ${key} must be a whole number of at least 1, not ${String(value)}.`);
    }
    checked[key] = value;
  }
  return checked;
}
