/** What the drivers of the systems share. */
import pg from 'pg';
export { latencies } from './stats.mjs';

export const now = () => performance.now();
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Runs `work(i)` for 0 … count - 1, at most `limit` at a time. */
export async function each(count, limit, work) {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, lane));
}

/** Counts what user code reports, and wakes who waits for a number. */
export class Counter {
  #count = 0;
  #waiting = [];

  add() {
    this.#count += 1;
    if (this.#waiting.length === 0) return;
    const reached = this.#waiting.filter(({ target }) => target <= this.#count);
    if (reached.length === 0) return;
    this.#waiting = this.#waiting.filter(({ target }) => target > this.#count);
    for (const { resolve } of reached) resolve();
  }

  get count() {
    return this.#count;
  }

  /** Resolves when `more` calls of `add` have come after this moment. */
  after(more) {
    return this.reach(this.#count + more);
  }

  /** Resolves when there have been `target` calls of `add` in all. */
  reach(target) {
    if (target <= this.#count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ target, resolve }));
  }
}

/** One connection for questions that are not part of what is measured. */
export async function openQuestions(databaseUrl) {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'bench' });
  client.on('error', () => undefined);
  await client.connect();
  return {
    rows: async (text, values) => (await client.query(text, values)).rows,
    /** Polls until the first column of the first row is true. */
    until: async (text, everyMs = 5) => {
      for (;;) {
        const { rows } = await client.query({ text, rowMode: 'array' });
        if (rows[0]?.[0] === true) return;
        await pause(everyMs);
      }
    },
    close: () => client.end(),
  };
}

/** What a chain's steps say about its speed, from the times at which they ran. */
export function chainMetrics(times, startedAt) {
  const edge = Math.min(200, Math.floor((times.length - 1) / 2));
  const first = (times[edge] - times[0]) / edge;
  const last = (times.at(-1) - times.at(-1 - edge)) / edge;
  return {
    msPerStep: (times.at(-1) - startedAt) / times.length,
    firstMs: first,
    lastMs: last,
    lastToFirst: last / first,
  };
}

/** What this process (and a server of its own) uses while nothing happens. */
export async function idleCpu(seconds, otherCpuMs = async () => 0) {
  const before = process.cpuUsage();
  const otherBefore = await otherCpuMs();
  await pause(seconds * 1_000);
  const used = process.cpuUsage(before);
  const other = (await otherCpuMs()) - otherBefore;
  return { cpuPercent: ((used.user + used.system) / 1_000 + other) / (seconds * 10) };
}
