/**
 * Watches which clocks, chance and I/O user code uses, while a turn is played again that failed (`core/replay/explain.ts`).
 * The clock and chance are replaced for that moment by functions that look at their caller and then do the same; timers,
 * files and connections are seen by Node's own hook for asynchronous resources. All of it is gone before the next task of
 * the event loop, and it is never there for a run that agrees with its history.
 */
import { createHook } from 'node:async_hooks';
import { callSite } from '../../core/replay/call-sites.ts';
import type { Finding, ReplayProbe } from '../../core/replay/explain.ts';

type Note = (what: string, instead: string) => void;
type Method = (this: unknown, ...given: readonly unknown[]) => unknown;

const time = 'ctx.currentUtcDateTime';
const activity = 'an activity';

const mostLooks = 1_000;

/** Kinds of asynchronous resources, by what their makers are called. */
const resources: Readonly<Record<string, readonly [what: string, instead: string]>> = {
  Timeout: ['a timer', 'ctx.createTimer'],
  Immediate: ['setImmediate', 'nothing, or ctx.createTimer'],
  TickObject: ['process.nextTick', 'nothing'],
  FSREQCALLBACK: ['a file', activity],
  FSREQPROMISE: ['a file', activity],
  FILEHANDLE: ['a file', activity],
  GETADDRINFOREQWRAP: ['a look-up of a name', activity],
  QUERYWRAP: ['a look-up of a name', activity],
  TCPWRAP: ['a connection', `${activity}, or ctx.callHttp`],
  PIPEWRAP: ['a pipe', activity],
  PROCESSWRAP: ['a process', activity],
  HTTPCLIENTREQUEST: ['an HTTP request', 'ctx.callHttp'],
  Worker: ['a thread', activity],
  WORKER: ['a thread', activity],
  ZLIB: ['a compression', activity],
  RANDOMBYTESREQUEST: ['random bytes', 'ctx.newGuid(), or an activity'],
};

export class WorldProbe implements ReplayProbe {
  readonly #findings: Finding[] = [];
  readonly #restore: (() => void)[] = [];

  start(): void {
    let looks = 0;
    const note: Note = (what, instead) => {
      // A loop that asks for the time a million times is known after the first.
      looks += 1;
      if (looks > mostLooks) return;
      const site = callSite();
      // What other code of this thread does meanwhile, e.g. a driver of the database, is code of packages.
      if (site !== undefined && !site.includes('/node_modules/')) this.#findings.push({ what, site, instead });
    };
    const replace = (owner: object, name: string, what: string, instead: string): void =>
      this.#replace(
        owner,
        name,
        (original) =>
          function (this: unknown, ...given) {
            note(what, instead);
            const result: unknown = Reflect.apply(original, this, [...given]);
            return result;
          },
      );
    this.#replaceDate(note);
    replace(Math, 'random', 'Math.random()', 'ctx.newGuid(), or an activity');
    replace(performance, 'now', 'performance.now()', time);
    replace(process, 'hrtime', 'process.hrtime()', time);
    replace(crypto, 'randomUUID', 'crypto.randomUUID()', 'ctx.newGuid()');
    replace(crypto, 'getRandomValues', 'crypto.getRandomValues()', 'ctx.newGuid(), or an activity');
    replace(globalThis, 'fetch', 'fetch()', 'ctx.callHttp, or an activity');
    const hook = createHook({
      init: (_id, type) => {
        const resource = Object.hasOwn(resources, type) ? resources[type] : undefined;
        if (resource !== undefined) note(...resource);
      },
    }).enable();
    this.#restore.push(() => hook.disable());
  }

  stop(): readonly Finding[] {
    for (const restore of this.#restore.splice(0).reverse()) restore();
    return this.#findings;
  }

  #replaceDate(note: Note): void {
    const original = globalThis.Date;
    globalThis.Date = new Proxy(original, {
      construct: (target, given: unknown[], newTarget: () => void) => {
        if (given.length === 0) note('new Date()', time);
        const made: unknown = Reflect.construct(target, given, newTarget);
        return Object(made) as object;
      },
      apply: (target, self) => {
        note('Date()', time);
        const text: unknown = Reflect.apply(target, self, []);
        return text;
      },
      get: (target, key, receiver) => {
        if (key === 'now') note('Date.now()', time);
        const value: unknown = Reflect.get(target, key, receiver);
        return value;
      },
    });
    this.#restore.push(() => {
      globalThis.Date = original;
    });
  }

  #replace(owner: object, name: string, wrap: (original: Method) => Method): void {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    const original: unknown = Reflect.get(owner, name);
    if (typeof original !== 'function') return;
    Object.defineProperty(owner, name, {
      value: Object.assign(wrap(original as Method), original),
      configurable: true,
      writable: true,
    });
    this.#restore.push(() => {
      if (before === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, before);
    });
  }
}
