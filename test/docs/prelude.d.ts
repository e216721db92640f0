/**
 * What the pages' pieces of code take for granted: names that are declared nowhere on the page. A block that declares one
 * itself means its own. Only the type check of the documentation sees this.
 */
import type * as perdure from 'perdure';
import type { account } from './account.ts';
import type * as testing from 'perdure/testing';
import type * as vitest from 'vitest';

declare global {
  type Order = { readonly id: string; readonly amount: number };
  interface Approval {
    readonly by: string;
  }
  const it: typeof vitest.it;
  const expect: typeof vitest.expect;
  const mock: typeof testing.mock;
  const inTurn: typeof testing.inTurn;
  const failFirst: typeof testing.failFirst;
  const hang: typeof testing.hang;
  const mockHttp: typeof testing.mockHttp;
  const activity: typeof perdure.activity;
  const orchestration: typeof perdure.orchestration;
  const http: typeof perdure.http;
  const ctx: perdure.OrchestrationContext;
  const client: perdure.DurableClient;
  const hub: perdure.TaskHub;
  const instanceId: string;
  const order: Order;
  const url: string;
  const databaseUrl: string;
  const functions: readonly perdure.FunctionDefinition[];
  const approver: string;
  const sendMail: (to: string, link: string | undefined) => Promise<void>;
  const colors: readonly string[];
  const postThePayment: perdure.ActivityDefinition<Order, string>;
  const cancelOrder: perdure.ActivityDefinition<Order, void>;
  const checkFraud: perdure.ActivityDefinition<Order, void>;
  const chargeCard: perdure.ActivityDefinition<Order, string>;
  const generateColor: perdure.ActivityDefinition<string, string>;
  const orderOrchestrator: perdure.OrchestrationDefinition<Order, string>;
  const isBackupDone: perdure.ActivityDefinition<unknown, boolean>;
  const insure: perdure.ActivityDefinition<unknown, void>;
  const parcel: unknown;
  const from: ReturnType<typeof account.id>;
  const to: ReturnType<typeof account.id>;
  const counter: { id(key: string): perdure.EntityId };
}
