/**
 * Tells those who asked for it at a start that the instance has ended. Each delivery is signed, and tried until it is taken
 * or a day is over. More than once is possible, when the answer of a receiver gets lost: its id is then the same.
 */
import { createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import type { InstanceKey } from '../model/work.ts';
import type { NotificationBus } from '../store/store.ts';
import type { DueWebhook, WebhookStore } from '../store/webhook-store.ts';

/** One request to a receiver. */
export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends one. @returns the status of the answer @throws Error when there is none, or the address may not be reached */
export type SendWebhook = (request: WebhookRequest, signal: AbortSignal) => Promise<number>;

export interface WebhookDeliveryOptions {
  readonly store: WebhookStore;
  readonly notifications: NotificationBus;
  readonly send: SendWebhook;
  /** Signs: text, or `whsec_` and base64. */
  readonly secret: string;
  readonly pollMs: number;
  /** After the first failure, doubled with each. Default 5,000, at most an hour. */
  readonly firstRetryMs?: number;
  readonly log: Logger;
}

const together = 20;
/** Longer than a delivery can take. */
const leaseMs = 60_000;
const maxRetryMs = 3_600_000;
const maxAgeMs = 86_400_000;
/** Ends that are notified together share a look. */
const joinMs = 20;

export class WebhookDelivery {
  readonly #options: WebhookDeliveryOptions;
  readonly #stopping = new AbortController();
  readonly #ended = new Set<InstanceKey>();
  #hasAny = false;
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #wake: NodeJS.Timeout | undefined;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: WebhookDeliveryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.notifications.subscribe((notification) => {
      // Most services have none: then an end costs nothing here.
      if (notification.kind !== 'ended' || !this.#hasAny) return;
      for (const key of notification.keys) this.#ended.add(key);
      this.#wake ??= setTimeout(() => this.#run(() => this.#deliverEnded()), joinMs);
    });
    this.#timer = setTimeout(() => this.#run(() => this.#poll()), 0);
  }

  /** There is one now. */
  registered(): void {
    this.#hasAny = true;
  }

  #run(work: () => Promise<void>): void {
    const run = work().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#options.log.warn({ err: error }, 'webhooks could not be looked at');
    });
    this.#underWay.add(run);
    void run.finally(() => this.#underWay.delete(run));
  }

  async #poll(): Promise<void> {
    try {
      this.#hasAny = await this.#options.store.hasAny();
      while (this.#hasAny && !this.#stopping.signal.aborted) {
        const due = await this.#options.store.takeDue({ limit: together, leaseMs });
        await Promise.all(due.map((one) => this.#deliver(one)));
        if (due.length < together) break;
      }
    } finally {
      if (!this.#stopping.signal.aborted) {
        this.#timer = setTimeout(() => this.#run(() => this.#poll()), this.#options.pollMs);
      }
    }
  }

  async #deliverEnded(): Promise<void> {
    this.#wake = undefined;
    const keys = [...this.#ended];
    this.#ended.clear();
    const due = await this.#options.store.takeDue({ limit: together, leaseMs, keys });
    // Of more the poll takes care: they are due by then.
    await Promise.all(due.map((one) => this.#deliver(one)));
  }

  async #deliver(due: DueWebhook): Promise<void> {
    const { store, send, log } = this.#options;
    const { key, instanceId } = due.instance;
    const failure = await send(requestOf(due, this.#options.secret), this.#stopping.signal).then(
      (status) => (status >= 200 && status < 300 ? undefined : `answered ${status}`),
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (failure === undefined) return store.finish(key);
    // Not an attempt that failed: the next process takes it.
    if (this.#stopping.signal.aborted) return store.postpone(key, 0);
    const fields = { instanceId, attempt: due.attempts, failure };
    if (due.ageMs >= maxAgeMs) {
      log.warn(fields, 'a completion webhook is given up after a day');
      return store.finish(key);
    }
    log.info(fields, 'a completion webhook was not taken');
    const delayMs = Math.min(maxRetryMs, (this.#options.firstRetryMs ?? 5_000) * 2 ** Math.min(20, due.attempts - 1));
    return store.postpone(key, delayMs * (0.8 + Math.random() * 0.4));
  }

  /** What is on its way ends, or is left to others. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#unsubscribe?.();
    clearTimeout(this.#timer);
    clearTimeout(this.#wake);
    await Promise.all(this.#underWay);
  }
}

/** Signed as Standard Webhooks has it: over id, time of sending and body. */
function requestOf({ url, taskHub, instance }: DueWebhook, secret: string): WebhookRequest {
  const body = JSON.stringify({
    type: 'orchestration.ended',
    timestamp: instance.lastUpdatedAt.toISOString(),
    data: {
      taskHub,
      name: instance.name,
      instanceId: instance.instanceId,
      runtimeStatus: instance.runtimeStatus,
      customStatus: instance.customStatus === null ? null : (JSON.parse(instance.customStatus) as unknown),
      createdTime: instance.createdAt.toISOString(),
      lastUpdatedTime: instance.lastUpdatedAt.toISOString(),
    },
  });
  const id = `end_${instance.key}_${instance.lastUpdatedAt.getTime()}`;
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    url,
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'perdure',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
  };
}

function keyOf(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}
