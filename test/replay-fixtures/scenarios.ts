/** How the histories are made. `npm run record-histories` writes those that are not there yet. */
import { fileURLToPath } from 'node:url';
import type { OrchestrationHistory } from 'perdure';
import { createTestEnvironment, mock, mockHttp, type TestEnvironment } from 'perdure/testing';
import * as order from '../../samples/order/index.ts';
import {
  activities,
  caller,
  definitions,
  entities,
  eternal,
  events,
  failing,
  fanOut,
  generator,
  locks,
  parent,
  retries,
  rewound,
  sender,
  timers,
} from './orchestrations.ts';

export interface Scenario {
  /** The file's name, without its ending. */
  readonly name: string;
  /** Runs it to where its history is taken; the instance is `fixture`. */
  readonly play: (env: TestEnvironment) => Promise<unknown>;
}

const instanceId = 'fixture';
const shirt = { id: 'A-1001', customer: 'Ann', item: 'T-shirt', amount: 30 };

export const scenarios: readonly Scenario[] = [
  {
    name: 'order-approved',
    play: async (env) => {
      await env.client.startNew(order.orderOrchestrator, { instanceId, input: shirt });
      await env.advance('1h');
      await env.raiseEvent(instanceId, 'Approval', 'approved');
    },
  },
  {
    name: 'order-too-late',
    play: async (env) => {
      await env.client.startNew(order.orderOrchestrator, { instanceId, input: { ...shirt, failPayments: 2 } });
      await env.advance('2d');
    },
  },
  {
    name: 'order-unpaid',
    play: async (env) => {
      await env.client.startNew(order.orderOrchestrator, { instanceId, input: { ...shirt, failPayments: 3 } });
      await env.advance('1m');
    },
  },
  {
    name: 'order-waiting',
    play: (env) => env.client.startNew(order.orderOrchestrator, { instanceId, input: shirt }),
  },
  {
    name: 'timers',
    play: async (env) => {
      await env.client.startNew(timers, { instanceId });
      await env.advance('2d');
    },
  },
  {
    name: 'timers-waiting',
    play: async (env) => {
      await env.client.startNew(timers, { instanceId });
      await env.advance('1h');
    },
  },
  {
    name: 'events',
    play: async (env) => {
      await env.client.startNew(events, { instanceId });
      for (const data of ['one', 'two']) await env.raiseEvent(instanceId, 'go', data);
      await env.advance('1m');
      await env.raiseEvent(instanceId, 'Left', 3);
      await env.advance('1h');
    },
  },
  {
    name: 'events-suspended',
    play: async (env) => {
      await env.client.startNew(events, { instanceId });
      await env.client.suspend(instanceId, 'pause');
      await env.raiseEvent(instanceId, 'Go', 'held back');
      await env.client.resume(instanceId);
      await env.client.suspend(instanceId);
      await env.advance('1h');
    },
  },
  {
    name: 'events-terminated',
    play: async (env) => {
      await env.client.startNew(events, { instanceId });
      await env.raiseEvent(instanceId, 'Go');
      await env.client.terminate(instanceId, 'enough');
    },
  },
  {
    name: 'retries',
    play: async (env) => {
      await env.client.startNew(retries, { instanceId });
      await env.advance('1m');
    },
  },
  {
    name: 'fan-out',
    play: async (env) => {
      await env.client.startNew(fanOut, { instanceId, input: 20, version: '2', tags: { of: 'fixtures' } });
      await env.advance('1m');
    },
  },
  {
    name: 'fan-out-after-a-crash',
    play: async (env) => {
      env.injectFault({ at: 'activity', fault: 'crash-after', skip: 2 });
      await env.client.startNew(fanOut, { instanceId, input: 5 });
      await env.advance('1m');
    },
  },
  {
    name: 'generator',
    play: async (env) => {
      await env.client.startNew(generator, { instanceId });
      await env.advance('1m');
    },
  },
  { name: 'failed', play: (env) => env.client.startNew(failing, { instanceId }) },
  {
    name: 'event-sent',
    play: async (env) => {
      await env.client.startNew(events, { instanceId: 'receiver' });
      await env.client.startNew(sender, { instanceId, input: 'receiver' });
      await env.advance('1m');
    },
  },
  {
    name: 'http-polled',
    play: async (env) => {
      await env.client.startNew(caller, { instanceId });
      await env.advance('1h');
    },
  },
  {
    name: 'sub-orchestrations',
    play: async (env) => {
      await env.client.startNew(parent, { instanceId });
      await env.advance('1m');
    },
  },
  {
    name: 'rewound-with-its-child',
    play: async (env) => {
      await env.client.startNew(rewound, { instanceId });
      await env.advance('1m');
      await env.client.rewind(instanceId, 'again');
    },
  },
  {
    name: 'continued-as-new',
    play: async (env) => {
      await env.client.startNew(eternal, { instanceId, input: 0 });
      for (const data of ['a', 'b', 'c', 'd']) await env.raiseEvent(instanceId, 'Tick', data);
    },
  },
  {
    name: 'entities-locked',
    play: async (env) => {
      await env.client.startNew(locks, { instanceId });
      await env.advance('1m');
    },
  },
];

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Plays a scenario in an environment of its own. @returns the history of its instance, without this machine's paths */
export async function recordScenario({ play }: Scenario): Promise<OrchestrationHistory> {
  const env = createTestEnvironment({
    functions: [
      ...Object.values(order),
      ...definitions,
      ...activities,
      ...entities,
      mock(order.generateColor, ({ color }) => ({ color, picture: `${color}.png` })),
      mockHttp(({ method, uri }) =>
        method === 'POST' ? { statusCode: 202, headers: { location: `${uri}/1` } } : { content: 'done' },
      ),
    ],
  });
  await play(env);
  const text = JSON.stringify(await env.history(instanceId));
  return JSON.parse(text.replaceAll('file://', '').replaceAll(root, ''));
}
