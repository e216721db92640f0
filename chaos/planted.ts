/**
 * The test of the test: builds of a copy of the source with one bug each. A checker that finds nothing in one of them
 * proves nothing about the others.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../scripts/build.mjs';
import { faultKinds, type FaultCounts, type FaultKind } from './nemesis.ts';
import { runChaos } from './run-chaos.ts';

export interface PlantedBug {
  readonly name: string;
  readonly edits: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
  /** The checker has to name one of these at least. */
  readonly breaks: readonly string[];
  /** What makes it show. */
  readonly faults: Partial<FaultCounts>;
}

const commits = 'src/store/postgres/commit-statement.ts';
const lone = 'src/store/postgres/lone-turn.ts';
const fence = 'where e.instance_key = c.key and e.sequence = c.fence and coalesce(e.owner, 0) = ${worker}';
const loneFence = 'where e.instance_key = $2::bigint and e.sequence = $3::bigint and coalesce(e.owner, 0) = $1::bigint';

export const plantedBugs: readonly PlantedBug[] = [
  // The control: what is found here is no bug of the others.
  { name: 'nothing', edits: [], breaks: [], faults: { stop: 8 } },
  {
    name: 'no-fence',
    edits: [
      { file: commits, find: fence, replace: 'where e.instance_key = c.key and (c.fence >= 0 or ${worker} > 0)' },
      {
        file: lone,
        find: loneFence,
        replace: 'where e.instance_key = $2::bigint and ($3::bigint >= 0 or $1::bigint > 0)',
      },
    ],
    breaks: ['I6', 'I7', 'I9', 'I15', 'I16', 'I17', 'I23'],
    faults: { stop: 14 },
  },
  {
    name: 'inbox-cleared-by-largest-id',
    edits: [
      {
        file: commits,
        find: 'where moved.key = c.key and m.instance_key = c.key and m.id = c.id',
        replace: 'where moved.key = c.key and m.instance_key = c.key and m.id <= c.id',
      },
    ],
    breaks: ['I4', 'I15', 'I22', 'I23'],
    faults: {},
  },
  {
    name: 'unread-events-dropped-at-continue-as-new',
    edits: [
      {
        file: 'src/store/postgres/turn-next.ts',
        find: 'where m.instance_key = n.key and m.execution_id = n.old_execution_id',
        replace: 'where m.instance_key = n.key and (m.execution_id = n.old_execution_id or m.execution_id is null)',
      },
    ],
    breaks: ['I4', 'I15', 'I23'],
    faults: {},
  },
  {
    name: 'recovery-only-at-start',
    edits: [
      {
        file: 'src/worker/worker.ts',
        find: 'this.#deadWorkers = beat.deadWorkers;',
        replace: 'this.#deadWorkers = false;',
      },
    ],
    breaks: ['I15', 'I22', 'I23'],
    // The lease of a node that stands still ends, and nobody starts who would look at what it had.
    faults: { stop: 12 },
  },
  {
    name: 'timers-early',
    edits: [
      {
        file: commits,
        find: 'to_timestamp(n.fire_at / 1000.0)',
        replace: "to_timestamp(n.fire_at / 1000.0) - interval '200 ms'",
      },
    ],
    breaks: ['I18'],
    faults: {},
  },
  {
    name: 'status-goes-back',
    edits: [
      {
        file: lone,
        find: 'status = $6, custom_status = $7, owner',
        replace: "status = left($6, 0) || 'Pending', custom_status = $7, owner",
      },
    ],
    breaks: ['I12'],
    faults: {},
  },
  {
    name: 'retry-lost',
    edits: [
      {
        file: 'src/core/replay/retry.ts',
        find: 'attempt >= policy.maxNumberOfAttempts',
        replace: 'attempt >= policy.maxNumberOfAttempts - 2',
      },
    ],
    breaks: ['I15', 'I19'],
    faults: {},
  },
  {
    name: 'purge-leaves-history',
    edits: [
      {
        file: 'src/store/postgres/deletions.ts',
        find: '  await client.query(sql.deleteHistory, [key]);\n',
        replace: '',
      },
    ],
    breaks: ['I21'],
    faults: {},
  },
  {
    name: 'activities-claimed-from-the-living',
    edits: [
      {
        file: 'src/store/postgres/activities.ts',
        find: 'select id, blameless from ${t.workers} where hub_id = $2 and expires_at <= now()',
        replace: 'select id, blameless from ${t.workers} where hub_id = $2 and id <> $1',
      },
    ],
    breaks: ['I9', 'I11'],
    faults: { kill: 4 },
  },
  {
    name: 'inbox-outlives-its-instance',
    edits: [
      {
        file: 'src/store/postgres/commit-statement.ts',
        find: 'delete from ${t.messages} m using ended where m.instance_key = ended.key',
        replace:
          "delete from ${t.messages} m using ended where m.instance_key = ended.key and m.event like '%nothing%'",
      },
      {
        file: lone,
        find: 'delete from ${t.messages} m using ended where m.instance_key = ended.key',
        replace:
          "delete from ${t.messages} m using ended where m.instance_key = ended.key and m.event like '%nothing%'",
      },
      // What would clear it later.
      {
        file: 'src/store/postgres/orchestrations.ts',
        find: 'where m.hub_id = $1 and m.visible_at <= now()\n         and not exists',
        replace: "where m.hub_id = $1 and m.visible_at <= now() - interval '1 day'\n         and not exists",
      },
    ],
    breaks: ['I22'],
    faults: {},
  },
];

export interface PlantedResult {
  readonly name: string;
  /** For the build without a bug: nothing was found. */
  readonly isCaught: boolean;
  /** How often each invariant was named. */
  readonly named: Readonly<Record<string, number>>;
  readonly table: string;
}

/** Builds a copy with the bug and lets the checker look at a run of it. */
export async function runPlanted(
  bug: PlantedBug,
  options: { readonly root: string; readonly seed: number; readonly log?: (text: string) => void },
): Promise<PlantedResult> {
  const copy = await mkdtemp(join(tmpdir(), 'perdure-planted-'));
  try {
    await copySource(options.root, copy);
    for (const edit of bug.edits) await plant(copy, edit);
    build({ root: copy, quiet: false });
    const none = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    const { violations, table } = await runChaos({
      seed: options.seed,
      durationMs: 15_000,
      orchestrations: 80,
      faults: { ...none, ...bug.faults },
      leaseMs: 1_000,
      pollMs: 100,
      root: copy,
      command: `npm run chaos -- --planted ${bug.name} --seed ${options.seed}`,
      ...(options.log === undefined ? {} : { log: options.log }),
    });
    const named: Record<string, number> = {};
    for (const { invariant } of violations) named[invariant] = (named[invariant] ?? 0) + 1;
    return {
      name: bug.name,
      isCaught: bug.edits.length === 0 ? violations.length === 0 : bug.breaks.some((invariant) => invariant in named),
      named,
      table,
    };
  } finally {
    await rm(copy, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function copySource(root: string, copy: string): Promise<void> {
  for (const name of ['src', 'chaos', 'migrations', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
}

/** @throws Error when the text to be replaced is not there: the source has changed, and the bug has to follow it */
export async function plant(folder: string, { file, find, replace }: PlantedBug['edits'][number]): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, 'utf8');
  if (!text.includes(find)) throw new Error(`${file} does not hold the text that is to be replaced: ${find}`);
  await writeFile(
    path,
    text.replaceAll(find, () => replace),
  );
}
