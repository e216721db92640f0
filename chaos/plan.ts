/** The plan of a run: which instances are started when, what is done to them, and how each has to end. */
import { orderOutcome, stepSum, timerCount, treeSum } from './model.ts';
import { Random } from './random.ts';
import type {
  Action,
  Expected,
  OrderInput,
  Plan,
  PlanItem,
  StepInput,
  TimersInput,
  TransferInput,
  TreeInput,
} from './types.ts';

export interface PlanOptions {
  readonly seed: number;
  readonly orchestrations: number;
  /** Starts are spread over it. */
  readonly durationMs: number;
  readonly leaseMs: number;
  /** Bytes of the largest payloads. */
  readonly payloadBytes: number;
  /** How many of the orchestrations end the thread that runs them: each time costs a new one. */
  readonly fatal: number;
}

type Draft = Omit<PlanItem, 'id' | 'kind' | 'startAt'>;
interface Sketch {
  readonly random: Random;
  readonly id: string;
  readonly options: PlanOptions;
  readonly accounts: Record<string, number>;
}

const completed = (output: unknown): Expected => ({ status: ['Completed'], output: JSON.stringify(output) });
const pause = (ms: number): Action => ({ do: 'pause', ms });

function start({ random }: Sketch, input: unknown): Action {
  const keyed = random.chance(0.5);
  return { do: 'start', input, keyed, ...(keyed && random.chance(0.3) ? { twice: true } : {}) };
}

function order(sketch: Sketch): Draft {
  const { random, id } = sketch;
  const approved = random.chance(0.7);
  const input: OrderInput = {
    order: id,
    reserveFailures: random.integer(0, 2),
    items: Array.from({ length: random.integer(2, 8) }, () => random.integer(1, 500)),
    stepMs: random.integer(0, 60),
    approvalMs: approved ? 3_600_000 : random.integer(50, 2_000),
    packFailures: random.integer(0, 1),
    lost: random.chance(0.3),
  };
  const keyed = random.chance(0.6);
  const approve: Action[] = approved
    ? [
        pause(random.integer(0, 1_500)),
        { do: 'raise', event: 'Approval', data: `boss of ${id}`, keyed, ...(keyed ? { twice: true } : {}) },
      ]
    : [];
  return {
    name: 'Order',
    actions: [start(sketch, input), ...approve, { do: 'await-end' }],
    expected: completed(orderOutcome(input, approved ? `boss of ${id}` : undefined)),
    failures: {
      '"reserved"': input.reserveFailures,
      ...(approved ? { [JSON.stringify(`${id} packed`)]: input.packFailures } : {}),
    },
  };
}

function cart(sketch: Sketch): Draft {
  const { random } = sketch;
  const total = random.integer(10, 40);
  const keyed = random.chance(0.5);
  const items = Array.from({ length: total }, (_, index): Action => {
    const twice = keyed && random.chance(0.2);
    return { do: 'raise', event: 'Item', data: index + 1, keyed, ...(twice ? { twice } : {}) };
  });
  const input = { total, take: random.integer(1, 6), stepEach: random.chance(0.5) };
  return {
    name: 'Cart',
    actions: [
      start(sketch, input),
      ...items.flatMap((item) => (random.chance(0.2) ? [pause(random.integer(0, 200)), item] : [item])),
      { do: 'await-end' },
    ],
    expected: {
      ...completed(items.map((_, index) => index + 1)),
      ...(keyed ? {} : { copiesAllowed: true }),
    },
  };
}

function plain(name: string, sketch: Sketch, input: unknown, output: unknown): Draft {
  return { name, actions: [start(sketch, input), { do: 'await-end' }], expected: completed(output) };
}

function tree(sketch: Sketch): Draft {
  const { random } = sketch;
  const input: TreeInput = {
    depth: random.integer(1, 2),
    breadth: random.integer(2, 3),
    value: random.integer(1, 99),
  };
  return plain('Tree', sketch, input, treeSum(input));
}

function timers(sketch: Sketch): Draft {
  const { random } = sketch;
  const some = (count: number, to: number) => Array.from({ length: count }, () => random.integer(1, to));
  const input: TimersInput = { parallel: some(random.integer(1, 5), 4_000), chain: some(random.integer(0, 3), 700) };
  return plain('Timers', sketch, input, timerCount(input));
}

function long(sketch: Sketch): Draft {
  const { random, options, id } = sketch;
  const input: StepInput = { value: id, ms: Math.round(options.leaseMs * (1.2 + random.next() * 1.5)) };
  return plain('Long', sketch, input, id);
}

function controlled(sketch: Sketch): Draft {
  const { random } = sketch;
  const input = { steps: random.integer(3, 15) };
  const actions: Action[] = [start(sketch, input)];
  for (let round = random.integer(1, 3); round > 0; round -= 1) {
    const keyed = random.chance(0.5);
    actions.push(pause(random.integer(0, 500)), { do: 'suspend', keyed }, pause(random.integer(0, 500)), {
      do: 'resume',
      keyed,
    });
  }
  return {
    name: 'Controlled',
    actions: [...actions, { do: 'await-end' }],
    expected: completed(stepSum(input)),
  };
}

function terminated(sketch: Sketch): Draft {
  const { random } = sketch;
  return {
    name: 'Endless',
    actions: [
      start(sketch, null),
      pause(random.integer(0, 1_500)),
      { do: 'terminate', keyed: random.chance(0.5) },
      { do: 'await-end' },
    ],
    expected: { status: ['Terminated'], output: JSON.stringify('as planned') },
  };
}

function contended(sketch: Sketch): Draft {
  const { id } = sketch;
  const inputs = ['a', 'b', 'c'].map((letter) => ({ value: `${letter} of ${id}` }));
  return {
    name: 'Claimed',
    actions: [{ do: 'contend', inputs }, { do: 'raise', event: 'Go', data: 'went', keyed: true }, { do: 'await-end' }],
    expected: { status: ['Completed'], oneOf: inputs.map(({ value }) => JSON.stringify({ value, go: 'went' })) },
  };
}

function reused(sketch: Sketch): Draft {
  const { id } = sketch;
  const lives = ['first', 'second'].map((life) => ({ value: `${life} life of ${id}` }));
  return {
    name: 'Simple',
    actions: [
      ...lives.flatMap((life, index): Action[] => [
        ...(index === 0 ? [] : [{ do: 'purge' } as const]),
        { do: 'start', input: life, keyed: true },
        { do: 'await-end' },
      ]),
    ],
    expected: completed(lives[1]?.value),
  };
}

function purged(sketch: Sketch): Draft {
  const { id } = sketch;
  return {
    name: 'Simple',
    actions: [start(sketch, { value: id }), { do: 'await-end' }, { do: 'purge' }],
    expected: { status: ['purged'] },
  };
}

const alphabet = ['ä', '漢', '\u{1f600}', '\\', '"', '\n', '</script>', "'; drop table", ' ', 'x'];

function payload(sketch: Sketch): Draft {
  const { random, options, id } = sketch;
  const piece = Array.from({ length: 40 }, () => random.pick(alphabet)).join('');
  const wanted = random.chance(0.3) ? options.payloadBytes : random.integer(10, options.payloadBytes / 4);
  const text = `${id} chaos-payload ${piece.repeat(Math.max(1, Math.floor(wanted / (Buffer.byteLength(piece) * 1.5))))}`;
  return plain('Payload', sketch, text, text);
}

const names = ['a', 'b', 'c', 'd'];

function transfer(sketch: Sketch): Draft {
  const { random, accounts } = sketch;
  const from = random.pick(names);
  const input: TransferInput = {
    from,
    to: random.pick(names.filter((name) => name !== from)),
    amount: random.integer(1, 100),
    count: random.integer(0, 3),
  };
  const move = (name: string, amount: number) => (accounts[name] = (accounts[name] ?? 0) + amount);
  move(input.from, -input.amount);
  move(input.to, input.amount);
  if (input.count > 0) move('signals', input.count);
  return plain('Transfer', sketch, input, input.amount);
}

const poisons = ['PoisonThrow', 'PoisonActivity', 'PoisonResult', 'PoisonOutput', 'PoisonDiverging'];

function poison(sketch: Sketch): Draft {
  const name = sketch.random.pick(poisons);
  return {
    name,
    actions: [start(sketch, null), { do: 'await-end' }],
    // Only a replay shows what is wrong with the last one.
    expected: { status: name === 'PoisonDiverging' ? ['Completed', 'Failed'] : ['Failed'] },
  };
}

const fatalPoisons = ['PoisonLoop', 'PoisonExit', 'PoisonMemory'];

function fatal(sketch: Sketch): Draft {
  const name = sketch.random.pick(fatalPoisons);
  return { name, actions: [start(sketch, null), { do: 'await-end' }], expected: { status: ['Failed'] } };
}

const kinds: readonly { readonly kind: string; readonly weight: number; readonly draft: (sketch: Sketch) => Draft }[] =
  [
    { kind: 'order', weight: 24, draft: order },
    { kind: 'cart', weight: 10, draft: cart },
    { kind: 'tree', weight: 8, draft: tree },
    { kind: 'timers', weight: 10, draft: timers },
    { kind: 'long', weight: 6, draft: long },
    { kind: 'controlled', weight: 8, draft: controlled },
    { kind: 'terminated', weight: 6, draft: terminated },
    { kind: 'contended', weight: 4, draft: contended },
    { kind: 'reused', weight: 4, draft: reused },
    { kind: 'purged', weight: 3, draft: purged },
    { kind: 'payload', weight: 3, draft: payload },
    { kind: 'transfer', weight: 8, draft: transfer },
    { kind: 'poison', weight: 6, draft: poison },
  ];

/** Spread evenly, after the first of every kind. */
function isFatal(index: number, { orchestrations, fatal: count }: PlanOptions): boolean {
  if (count === 0 || index < kinds.length) return false;
  const every = Math.floor(orchestrations / count);
  return index % every === Math.floor(every / 2);
}

/** Draws a plan. Every kind is in it at least once if there is room for all. */
export function makePlan(options: PlanOptions): Plan {
  const random = new Random(options.seed);
  const accounts: Record<string, number> = {};
  const lots = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  const items = Array.from({ length: options.orchestrations }, (_, index): PlanItem => {
    const { kind, draft } = isFatal(index, options)
      ? { kind: 'poison', draft: fatal }
      : (kinds[index] ?? random.pick(lots));
    const id = `${kind}-${index}`;
    const startAt = Math.floor((options.durationMs * index) / options.orchestrations);
    return { id, kind, startAt, ...draft({ random: random.fork(index + 1), id, options, accounts }) };
  });
  return { seed: options.seed, items, accounts, longestTimerMs: 4_700 };
}
