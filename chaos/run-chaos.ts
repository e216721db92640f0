/** One chaos run: clusters, nodes, driver and nemesis; then the evidence, the verdict and the table. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TcpProxy } from '../test/support/tcp-proxy.ts';
import { check, type Verdict } from './check/index.ts';
import { halfOpenMs } from './check/lookup.ts';
import { Cluster, ledgerTable } from './cluster.ts';
import { compileFunctions } from './compile-functions.ts';
import { Driver } from './driver.ts';
import { readRuns, readTables } from './evidence.ts';
import { Nemesis, type FaultCounts } from './nemesis.ts';
import { ChaosNode } from './nodes.ts';
import { makePlan } from './plan.ts';
import { Random } from './random.ts';
import { toTable } from './report.ts';
import type { Evidence } from './types.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** How long faults are made. */
  readonly durationMs: number;
  readonly orchestrations: number;
  readonly faults: FaultCounts;
  /** L and P of the nodes. */
  readonly leaseMs: number;
  readonly pollMs: number;
  /** The project whose `dist` is run. */
  readonly root: string;
  /** That repeats this run. */
  readonly command: string;
  /** Raw files stay here; default: they are removed. */
  readonly keep?: string;
  readonly payloadBytes?: number;
  /** Orchestrations that end their threads. Default: none. */
  readonly fatal?: number;
  readonly concurrency?: number;
  /** How long to wait for the end beyond what is promised. Default 20 s. */
  readonly patienceMs?: number;
  readonly log?: (text: string) => void;
}

export interface ChaosResult extends Verdict {
  readonly table: string;
  readonly evidence: Evidence;
}

/** B of the promises. */
const backOffMs = 5_000;

/** Two serve HTTP, all work. */
const nodeNames = ['north', 'south', 'west'];

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), 'perdure-chaos-')));
  await mkdir(folder, { recursive: true });
  const stops: (() => Promise<void>)[] = [];
  try {
    const evidence = await makeEvidence(options, folder, stops);
    // Before anything else: a fault of the checker must not cost what took long to find.
    if (options.keep !== undefined) await writeFile(evidenceIn(folder), JSON.stringify(evidence));
    const result = await judge(evidence);
    if (options.keep !== undefined) {
      await writeFile(join(folder, 'violations.json'), JSON.stringify(result.violations, undefined, 2));
      await writeFile(join(folder, 'table.md'), `${result.table}\n`);
    }
    return result;
  } finally {
    for (const stop of stops.toReversed()) await stop();
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 20 });
  }
}

/** Checks what an earlier run has kept. */
export async function checkKept(folder: string): Promise<ChaosResult> {
  return judge(JSON.parse(await readFile(evidenceIn(folder), 'utf8')) as Evidence);
}

function evidenceIn(folder: string): string {
  return join(folder, 'evidence.json');
}

async function judge(evidence: Evidence): Promise<ChaosResult> {
  const verdict = await check(evidence);
  return { ...verdict, table: toTable(evidence, verdict), evidence };
}

async function makeEvidence(options: ChaosOptions, folder: string, stops: (() => Promise<void>)[]): Promise<Evidence> {
  const { seed, durationMs, leaseMs, pollMs, root, log = () => undefined } = options;
  const random = new Random(seed);
  const [cluster, ledger] = await Promise.all(
    ['service', 'ledger'].map(async (name) => {
      const started = await Cluster.start(join(folder, name));
      stops.push(async () => {
        await started.stop();
        await rm(join(folder, name), { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
      });
      return started;
    }),
  );
  if (cluster === undefined || ledger === undefined) throw new Error('two clusters were started');
  await ledger.query(ledgerTable);
  const functions = await compileFunctions(root);
  stops.push(functions.remove);
  const nodes = await Promise.all(
    nodeNames.map(async (name, index) => {
      const proxy = await TcpProxy.open(cluster.url, { whenFinished: () => undefined });
      const http = index < 2;
      const logFile = join(folder, `${name}.log`);
      const node = new ChaosNode({
        name,
        root,
        functions: functions.file,
        databaseUrl: proxy.url,
        ledgerUrl: ledger.url,
        http,
        leaseMs,
        pollMs,
        logFile,
      });
      stops.push(async () => {
        await node.shutDown();
        await proxy.close();
      });
      node.start();
      return { node, proxy, http };
    }),
  );
  await until(
    () => nodes.every(({ node }) => node.isReady),
    90_000,
    () => `not all nodes became ready: see ${folder}`,
  );

  const { orchestrations, payloadBytes = 200_000, concurrency = 40, fatal = 0 } = options;
  const plan = makePlan({ seed, orchestrations, durationMs, leaseMs, payloadBytes, fatal });
  const answering = () =>
    nodes.flatMap(({ node }) => (node.url === undefined ? [] : [{ name: node.name, url: node.url }]));
  const driver = new Driver({
    plan,
    random: random.fork(1),
    nodes: answering,
    concurrency,
    pollMs: 700,
    callTimeoutMs: 10_000,
  });
  const nemesis = new Nemesis({
    random: random.fork(2),
    counts: options.faults,
    durationMs,
    leaseMs,
    nodes,
    cluster,
    log,
  });
  const begunAt = Date.now();
  const driven = driver.run();
  await nemesis.run();
  const lastFaultAt = Math.max(begunAt, ...nemesis.faults.map(({ to }) => to));
  log('the last fault is over');
  // Long orchestrations may have begun at the end; whatever the bound says of them, they get time to prove otherwise.
  const patience =
    3 * leaseMs + pollMs + backOffMs + halfOpenMs + 2 * plan.longestTimerMs + (options.patienceMs ?? 20_000);
  await Promise.race([driven, sleep(patience, undefined, { ref: false })]);
  const restedAt = Math.max(lastFaultAt, ...driver.finished.values());
  const stuck = plan.items.flatMap(({ id }) => (driver.finished.has(id) ? [] : [id]));
  log(`${plan.items.length - stuck.length} of ${plan.items.length} came to their end`);
  const accounts = await readAccounts(driver, plan.accounts);
  // When everything is final: twice, from whichever node.
  for (const round of [1, 2]) {
    for (const { id } of plan.items) if (!stuck.includes(id)) await driver.look(id, { round });
  }
  const tables = await readTables(cluster, 2 * leaseMs + 10_000);
  await driver.stop();
  await driven;
  await Promise.all(nodes.map(({ node }) => node.shutDown()));
  return {
    command: options.command,
    plan,
    journal: driver.journal,
    sightings: driver.sightings,
    runs: await readRuns(ledger),
    faults: nemesis.faults,
    tables,
    accounts,
    nodes: nodes.map(({ node }) => node.record()),
    settings: { leaseMs, pollMs, backOffMs },
    begunAt,
    lastFaultAt,
    restedAt,
    stuck,
  };
}

/** Signals may still be on their way. */
async function readAccounts(
  driver: Driver,
  expected: Readonly<Record<string, number>>,
): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {};
  const deadline = Date.now() + 10_000;
  for (const [name, balance] of Object.entries(expected)) {
    do {
      found[name] = await driver.readAccount(name);
      if (found[name] === balance) break;
      await sleep(100);
    } while (Date.now() < deadline);
  }
  return found;
}

async function until(condition: () => boolean, timeoutMs: number, text: () => string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(text());
    await sleep(20);
  }
}
