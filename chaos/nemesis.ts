/** Breaks things on purpose: which, when and where comes from the seed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../test/support/tcp-proxy.ts';
import type { Cluster } from './cluster.ts';
import type { ChaosNode } from './nodes.ts';
import type { Random } from './random.ts';
import type { Fault } from './types.ts';

/** How many of each in a run. */
export type FaultCounts = Readonly<Record<FaultKind, number>>;

export const faultKinds = [
  'kill',
  'term',
  'stop',
  'postgres-crash',
  'terminate-backends',
  'reset',
  'cut-before',
  'cut-after',
  'blackhole',
  'refuse',
  'slow',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** For each minute; 30 minutes give 135 kills, 27 crashes of Postgres and 150 cuts. */
const perMinute: Readonly<Record<FaultKind, number>> = {
  kill: 4.5,
  term: 0.8,
  stop: 1.2,
  'postgres-crash': 0.9,
  'terminate-backends': 1,
  reset: 2,
  'cut-before': 1.5,
  'cut-after': 1.5,
  blackhole: 0.6,
  refuse: 0.8,
  slow: 0.6,
};

export function faultsFor(minutes: number): FaultCounts {
  const count = (kind: FaultKind) => Math.max(1, Math.round(perMinute[kind] * minutes));
  return Object.fromEntries(faultKinds.map((kind) => [kind, count(kind)])) as unknown as FaultCounts;
}

/** Statements whose connection is cut, by a part of their names. */
const cutStatements = [
  'commit_turns',
  'commit_turns',
  'complete_tasks',
  'perdure_claim',
  'read_messages',
  'start_instances',
  'heartbeat',
  'claim_tasks',
];

export interface NemesisOptions {
  readonly random: Random;
  readonly counts: FaultCounts;
  readonly durationMs: number;
  readonly leaseMs: number;
  readonly nodes: readonly { readonly node: ChaosNode; readonly proxy: TcpProxy }[];
  readonly cluster: Cluster;
  readonly log: (text: string) => void;
}

interface Planned {
  readonly kind: FaultKind;
  readonly at: number;
  readonly target: number;
  readonly random: Random;
}

export class Nemesis {
  readonly faults: Fault[] = [];
  readonly #options: NemesisOptions;
  readonly #busy = new Set<number>();

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** Ends when the last fault is over and everything has been started and connected again. */
  async run(): Promise<void> {
    const begunAt = Date.now();
    const running: Promise<void>[] = [];
    for (const planned of this.#plan()) {
      await sleep(Math.max(0, begunAt + planned.at - Date.now()));
      running.push(this.#make(planned));
    }
    await Promise.all(running);
    for (const { proxy } of this.#options.nodes) proxy.heal();
  }

  #plan(): readonly Planned[] {
    const { random, counts, durationMs, nodes } = this.#options;
    const planned = faultKinds.flatMap((kind, salt) =>
      Array.from({ length: counts[kind] }, (_, index): Planned => {
        // Connections that vanish are noticed late: not at the end of a run that is short.
        const share = kind === 'blackhole' ? 0.5 : 1;
        const at = durationMs * share * ((index + 0.15 + 0.7 * random.next()) / counts[kind]);
        return { kind, at, target: random.integer(0, nodes.length - 1), random: random.fork(salt * 1_000 + index) };
      }),
    );
    return planned.toSorted((one, other) => one.at - other.at);
  }

  async #make({ kind, target, random }: Planned): Promise<void> {
    if (kind === 'postgres-crash' || kind === 'terminate-backends') return await this.#database(kind, random);
    const at = await this.#free(target);
    const chosen = this.#options.nodes[at];
    if (chosen === undefined) return;
    this.#busy.add(at);
    const from = Date.now();
    this.#options.log(`${kind} ${chosen.node.name}`);
    try {
      await this.#harm(kind, chosen, random);
    } finally {
      this.#busy.delete(at);
      this.faults.push({ kind, node: chosen.node.name, from, to: Date.now() });
    }
  }

  /** A node that runs and that nothing is done to, this one if it can be. */
  async #free(wanted: number): Promise<number> {
    const { nodes } = this.#options;
    for (;;) {
      for (let offset = 0; offset < nodes.length; offset += 1) {
        const index = (wanted + offset) % nodes.length;
        if (!this.#busy.has(index) && nodes[index]?.node.isReady === true) return index;
      }
      await sleep(50);
    }
  }

  async #harm(
    kind: Exclude<FaultKind, 'postgres-crash' | 'terminate-backends'>,
    { node, proxy }: NemesisOptions['nodes'][number],
    random: Random,
  ): Promise<void> {
    const { leaseMs } = this.#options;
    switch (kind) {
      case 'kill':
      case 'term':
        // Its next life may have a wrong clock.
        await node.end(kind === 'kill' ? 'SIGKILL' : 'SIGTERM', random.integer(0, 800), this.#clockShift(random));
        return await this.#whenReady(node);
      case 'stop':
        return await node.pause(leaseMs * (0.5 + random.next() * 2));
      case 'reset':
        return proxy.resetAll();
      case 'cut-before':
      case 'cut-after': {
        const cut = proxy.cut(
          random.pick(cutStatements),
          kind === 'cut-before' ? 'before' : 'after',
          random.integer(1, 3),
        );
        return await Promise.race([cut, sleep(3_000)]);
      }
      case 'blackhole':
        proxy.blackhole();
        await sleep(leaseMs * (1 + random.next() * 2));
        return proxy.heal();
      case 'refuse':
        proxy.refuse();
        await sleep(leaseMs * (0.5 + random.next() * 2));
        return proxy.heal();
      case 'slow':
        proxy.delay(random.integer(20, 120));
        await sleep(leaseMs * (1 + random.next() * 2));
        return proxy.delay(0);
    }
  }

  #clockShift(random: Random): number {
    return random.chance(0.4) ? random.integer(-3_600, 3_600) * 1_000 : 0;
  }

  async #whenReady(node: ChaosNode): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!node.isReady && Date.now() < deadline) await sleep(20);
  }

  async #database(kind: 'postgres-crash' | 'terminate-backends', random: Random): Promise<void> {
    const from = Date.now();
    this.#options.log(kind);
    if (kind === 'postgres-crash') await this.#options.cluster.crash(random.pick(['SIGKILL', 'SIGQUIT']));
    else await this.#options.cluster.terminateBackends(random.pick([0.3, 1]));
    this.faults.push({ kind, from, to: Date.now() });
  }
}
