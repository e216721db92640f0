/** `perdure retention`: what the workers of a hub have removed, would remove, or removing it now. */
import type { RetentionRequest } from '../cli/commands/retention.ts';
import type { HubTools } from '../hub-tools.ts';
import { retentionText, shortestRetention } from '../model/retention.ts';
import { openProgress } from '../progress.ts';
import { instancesWere } from './counted.ts';
import { withHub } from './hub-access.ts';
import { StartupError } from './startup-error.ts';

/** @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError with a line for people */
export async function manageRetention(request: RetentionRequest): Promise<void> {
  if (request.dryRun === true && request.now === true) {
    throw new StartupError('--dry-run removes nothing, --now does: give one of them.');
  }
  const run = request.now === true ? removeNow : request.dryRun === true ? dryRun : status;
  const { text, json } = await withHub(request, (tools) => run(tools));
  process.stdout.write(`${request.json === true ? JSON.stringify(json) : text}\n`);
}

interface Said {
  readonly text: string;
  readonly json: unknown;
}

async function status({ retention }: HubTools): Promise<Said> {
  const last = await retention.status();
  const next = retention.nextAfter(last);
  if (last === undefined) {
    return {
      text: `Retention has not run in this task hub yet${next === undefined ? ': everything is kept for ever' : ''}.`,
      json: null,
    };
  }
  const { rules, begunAt, endedAt, running, reached, removed, kept, removedTotal, error } = last;
  const lines = [
    `what is kept     ${rules}`,
    `last sweep       began ${begunAt.toISOString()}, ${ending(endedAt, running)}`,
    ...(next === undefined
      ? []
      : [`next sweep       ${next.getTime() <= Date.now() ? 'within a minute' : `after ${next.toISOString()}`}`]),
    ...(endedAt === null && reached !== null ? [`reached          ${reached.toISOString()}`] : []),
    `removed          ${removed} by this sweep, ${removedTotal} in all`,
    `due, but kept    ${kept} trees in which something has not ended, or too lately`,
    ...(error === null ? [] : [`failed           ${error}`]),
  ];
  return { text: lines.join('\n'), json: last };
}

function ending(endedAt: Date | null, running: boolean): string {
  if (endedAt !== null) return `ended ${endedAt.toISOString()}`;
  return running ? 'is under way' : 'was broken off: a worker goes on with it';
}

async function dryRun({ retention }: HubTools): Promise<Said> {
  const seen = await retention.preview();
  const rules = retentionText(retention.rules);
  const day = (date: Date): string => date.toISOString().slice(0, 10);
  const rows = seen.rows.map((row) => [
    row.name,
    row.status,
    String(row.roots),
    String(row.instances),
    `${day(row.oldest)} to ${day(row.newest)}`,
  ]);
  const all = [['NAME', 'STATUS', 'ROOTS', 'INSTANCES', 'ENDED'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const table = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const sum = seen.rows.reduce((total, row) => total + row.instances, 0);
  const text = [
    ...(rows.length === 0 ? [] : table),
    `${sum} ${sum === 1 ? 'instance' : 'instances'} would be removed (kept: ${rules}); nothing was.`,
    ...(seen.kept === 0 ? [] : [`${seen.kept} trees stay: something in them has not ended, or too lately.`]),
  ].join('\n');
  return { text, json: { rules, ...seen } };
}

async function removeNow({ retention }: HubTools): Promise<Said> {
  if (shortestRetention(retention.rules) === 0) {
    throw new StartupError('everything is kept for ever (--retention 0): there is nothing to remove.');
  }
  const due = (await retention.preview()).rows.reduce((total, row) => total + row.instances, 0);
  const progress = await openProgress(process.stderr, 'removed', due);
  const end = await retention
    .sweep({ everyMs: 0, onProgress: ({ removed }) => progress.to(removed) })
    .finally(() => progress.stop());
  if (end === undefined) {
    throw new StartupError('a worker of the hub is at it right now: see perdure retention, and try again later.');
  }
  const exported = end.exported === 0 ? '' : `, ${end.exported} written before`;
  return { text: `${instancesWere(end.removed)} removed${exported}.`, json: end };
}
