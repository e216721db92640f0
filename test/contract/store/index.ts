/** The whole contract of the store port: what every implementation must keep. */
import { children } from './children.ts';
import { claims } from './claims.ts';
import { commits } from './commits.ts';
import { entities } from './entities.ts';
import type { StoreUnderTest } from './fixture.ts';
import { histories } from './histories.ts';
import { listings } from './listings.ts';
import { messages } from './messages.ts';
import { nextExecutions } from './next-executions.ts';
import { notifications } from './notifications.ts';
import { obstacles } from './obstacles.ts';
import { outgoing } from './outgoing.ts';
import { payloads } from './payloads.ts';
import { purge } from './purge.ts';
import { queue } from './queue.ts';
import { rewinds } from './rewinds.ts';
import { starts } from './starts.ts';
import { suspensions } from './suspensions.ts';
import { terminatePending } from './terminate-pending.ts';
import { timers } from './timers.ts';
import { watches } from './watches.ts';
import { workers } from './workers.ts';

const suites = [
  starts,
  messages,
  outgoing,
  children,
  nextExecutions,
  claims,
  commits,
  entities,
  timers,
  queue,
  workers,
  purge,
  rewinds,
  suspensions,
  listings,
  watches,
  obstacles,
  terminatePending,
  payloads,
  histories,
  notifications,
];

export function storeContract(under: StoreUnderTest): void {
  for (const suite of suites) suite(under);
}
