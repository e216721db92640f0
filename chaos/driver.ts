/**
 * Sends a plan over HTTP to the nodes that serve it and writes down every call and every answer. A call whose answer is
 * unclear is sent again until it is clear, to whichever node.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import type { Random } from './random.ts';
import type { Action, JournalEntry, Plan, PlanItem, Sighting } from './types.ts';

export interface DriverOptions {
  readonly plan: Plan;
  readonly random: Random;
  /** Nodes that answer HTTP at the moment. */
  readonly nodes: () => readonly { readonly name: string; readonly url: string }[];
  /** Instances that are worked on at the same time. */
  readonly concurrency: number;
  readonly pollMs: number;
  readonly callTimeoutMs: number;
}

const terminal = ['Completed', 'Failed', 'Terminated'];

interface Call {
  readonly id: string;
  readonly action: number;
  readonly op: Action['do'];
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly key?: string;
  readonly event?: string;
  /** Only so often. */
  readonly once?: boolean;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly node: string;
}

export class Driver {
  readonly journal: JournalEntry[] = [];
  readonly sightings: Sighting[] = [];
  readonly finished = new Map<string, number>();
  readonly #options: DriverOptions;
  readonly #agent = new Agent({ connections: 64, connectTimeout: 2_000 });
  readonly #abort = new AbortController();

  constructor(options: DriverOptions) {
    this.#options = options;
    // One for each call and pause under way.
    setMaxListeners(0, this.#abort.signal);
  }

  /** Works through the plan. Ends when every instance has come to its end, or with `stop`. */
  async run(): Promise<void> {
    const begunAt = Date.now();
    const queue = [...this.#options.plan.items];
    await Promise.all(
      Array.from({ length: this.#options.concurrency }, async () => {
        for (let item = queue.shift(); item && !this.#abort.signal.aborted; item = queue.shift()) {
          await this.#pause(begunAt + item.startAt - Date.now());
          await this.#work(item);
        }
      }),
    );
  }

  /** Gives up what is still under way. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#agent.close();
  }

  /** What one GET says, tried until there is an answer. */
  async look(id: string, more: Partial<Sighting> = {}): Promise<Sighting | undefined> {
    while (!this.#abort.signal.aborted) {
      const askedAt = Date.now();
      const answer = await this.#fetch('GET', `/instances/${id}`);
      if (answer !== undefined && (answer.status === 200 || answer.status === 202 || answer.status === 404)) {
        const sighting = { ...toSighting(id, answer, askedAt), ...more };
        this.sightings.push(sighting);
        return sighting;
      }
      await this.#pause(100);
    }
    return undefined;
  }

  /** The state of an entity; `undefined` when there is none. */
  async readAccount(name: string): Promise<unknown> {
    for (;;) {
      const answer = await this.#fetch('GET', `/entities/Account/${name}`);
      if (answer?.status === 200) return JSON.parse(answer.text);
      if (answer?.status === 404 || this.#abort.signal.aborted) return undefined;
      await this.#pause(100);
    }
  }

  async #work(item: PlanItem): Promise<void> {
    for (const [action, what] of item.actions.entries()) {
      if (this.#abort.signal.aborted) return;
      await this.#act(item, action, what);
    }
    if (!this.#abort.signal.aborted) this.finished.set(item.id, Date.now());
  }

  async #act(item: PlanItem, action: number, what: Action): Promise<void> {
    const { id } = item;
    const key = 'keyed' in what && what.keyed ? { key: `${id}/${action}` } : {};
    const path = `/instances/${id}`;
    switch (what.do) {
      case 'pause':
        return await this.#pause(what.ms);
      case 'await-end':
        return await this.#awaitEnd(id);
      case 'start':
        await this.#repeat(what.twice, { ...this.#startOf(item, action, what.input), ...key });
        return;
      case 'contend': {
        await Promise.all(
          what.inputs.map((input) => this.#call({ ...this.#startOf(item, action, input), op: 'contend' })),
        );
        return;
      }
      case 'raise': {
        const body = JSON.stringify(what.data);
        const raised = { id, action, op: what.do, method: 'POST', event: what.event, body, ...key };
        await this.#repeat(what.twice, { ...raised, path: `${path}/raiseEvent/${what.event}` });
        return;
      }
      case 'suspend':
      case 'resume':
      case 'terminate':
        await this.#call({
          id,
          action,
          op: what.do,
          method: 'POST',
          path: `${path}/${what.do}?reason=as%20planned`,
          ...key,
        });
        return;
      case 'purge':
        await this.#call({ id, action, op: what.do, method: 'DELETE', path });
    }
  }

  #startOf({ id, name }: PlanItem, action: number, input: unknown): Call {
    const path = `/orchestrators/${name}/${id}`;
    return { id, action, op: 'start', method: 'POST', path, body: JSON.stringify(input) };
  }

  async #repeat(twice: boolean | undefined, call: Call): Promise<void> {
    await Promise.all([this.#call(call), ...(twice === true ? [this.#call(call)] : [])]);
  }

  /** Until the answer is clear. */
  async #call(call: Call): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const invokedAt = Date.now();
      const answer = await this.#fetch(call.method, call.path, call);
      const outcome = outcomeOf(answer);
      this.journal.push({
        id: call.id,
        action: call.action,
        op: call.op,
        ...(call.event === undefined ? {} : { event: call.event }),
        ...(call.body === undefined ? {} : { data: call.body }),
        ...(call.key === undefined ? {} : { key: call.key }),
        node: answer?.node ?? '',
        invokedAt,
        answeredAt: Date.now(),
        outcome,
        status: answer?.status ?? 0,
      });
      if (outcome === 'ok' && (call.op === 'start' || call.op === 'contend')) {
        await this.look(call.id, { afterStart: true });
      }
      if (outcome !== 'unknown') return;
      await this.#pause(this.#options.random.integer(50, 300));
    }
  }

  async #awaitEnd(id: string): Promise<void> {
    for (let waitMs = 50; ; waitMs = Math.min(waitMs * 1.5, this.#options.pollMs)) {
      const seen = await this.look(id);
      if (seen === undefined || (seen.status !== undefined && terminal.includes(seen.status))) return;
      await this.#pause(waitMs);
    }
  }

  async #fetch(method: string, path: string, call?: Call): Promise<Answer | undefined> {
    const nodes = this.#options.nodes();
    if (nodes.length === 0) {
      await this.#pause(100);
      return undefined;
    }
    const { name: node, url } = this.#options.random.pick(nodes);
    try {
      const response = await fetch(`${url}/runtime/webhooks/durabletask${path}`, {
        method,
        dispatcher: this.#agent,
        signal: AbortSignal.any([AbortSignal.timeout(this.#options.callTimeoutMs), this.#abort.signal]),
        ...(call?.body === undefined ? {} : { body: call.body }),
        headers: {
          ...(call?.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(call?.key === undefined ? {} : { 'idempotency-key': call.key }),
        },
      });
      return { status: response.status, text: await response.text(), node };
    } catch {
      // Whatever it was, there is no answer: that is what the journal says.
      return undefined;
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms <= 0) return;
    await sleep(ms, undefined, { signal: this.#abort.signal }).catch(() => undefined);
  }
}

/** A key that is in use means: ask again. */
function outcomeOf(answer: Answer | undefined): JournalEntry['outcome'] {
  if (answer === undefined || answer.status >= 500 || answer.status === 429) return 'unknown';
  if (answer.status < 300) return 'ok';
  return answer.status === 409 && answer.text.includes('IdempotencyKeyInUse') ? 'unknown' : 'fail';
}

function toSighting(id: string, { status: httpStatus, text, node }: Answer, askedAt: number): Sighting {
  const seen = { id, node, askedAt, seenAt: Date.now(), httpStatus };
  if (httpStatus === 404) return seen;
  const body = JSON.parse(text) as {
    readonly runtimeStatus: string;
    readonly lastUpdatedTime: string;
    readonly createdTime: string;
    readonly output: unknown;
  };
  return {
    ...seen,
    status: body.runtimeStatus,
    lastUpdated: body.lastUpdatedTime,
    created: body.createdTime,
    output: JSON.stringify(body.output),
  };
}
