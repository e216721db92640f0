/** Numbers from measurements. */

export function median(values) {
  return percentile(values, 50);
}

/** Linear between the two nearest ranks. */
export function percentile(values, percent) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (percent / 100) * (sorted.length - 1);
  const low = Math.floor(rank);
  const share = rank - low;
  return sorted[low] * (1 - share) + sorted[Math.min(low + 1, sorted.length - 1)] * share;
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** p50, p95 and p99 of durations in ms. */
export function latencies(values) {
  return { p50: percentile(values, 50), p95: percentile(values, 95), p99: percentile(values, 99) };
}

/** Metrics of several repetitions, each by its median. */
export function medians(runs) {
  const names = new Set(runs.flatMap((run) => Object.keys(run)));
  const result = {};
  for (const name of names) {
    const values = runs.map((run) => run[name]).filter((value) => typeof value === 'number');
    if (values.length > 0) result[name] = median(values);
  }
  return result;
}

/**
 * The interval that holds the median of what the values are drawn from in at least 95 of 100 cases, by the order of the
 * values alone (the sign test): with fewer than six of them it is the whole range, and holds less.
 */
export function medianInterval(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  let below = 0;
  let left = 0;
  for (let term = 0.5 ** count; below + term <= 0.025; left++) {
    below += term;
    term = (term * (count - left)) / (left + 1);
  }
  const cut = Math.max(0, left - 1);
  return [sorted[cut], sorted[count - 1 - cut]];
}
