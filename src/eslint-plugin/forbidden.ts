/** What is not the same in every replay, by where it comes from, and what to use instead. */

/** Why something may not be used. */
export interface Forbidden {
  /** As it is called in the message. */
  readonly what: string;
  /** `{ctx}` stands for the context. */
  readonly instead: string;
  /** An expression that may take the place of a call, when there is one; `{ctx}` as above. */
  readonly replacement?: string;
}

const time = '{ctx}.currentUtcDateTime';
const guid = '{ctx}.newGuid()';
const activity = 'an activity';
const request = '{ctx}.callHttp(…), or an activity';
const timer = '{ctx}.createTimer(…)';
const log = '{ctx}.log';
const environment = "the orchestration's input, or an activity";

/** By origin; the longest that fits a beginning counts, so `global:process.env.HOME` is found as `global:process.env`. */
const byOrigin: Readonly<Record<string, Omit<Forbidden, 'what'>>> = {
  'global:Date.now': { instead: `${time}.getTime()`, replacement: `${time}.getTime()` },
  'global:performance.now': { instead: `${time}.getTime()` },
  'global:performance.timeOrigin': { instead: time },
  'node:perf_hooks.performance.now': { instead: `${time}.getTime()` },
  'global:process.hrtime': { instead: time },
  'global:process.uptime': { instead: time },
  'node:process.hrtime': { instead: time },
  'global:Math.random': { instead: `${guid}, or an activity` },
  'global:crypto.randomUUID': { instead: guid, replacement: guid },
  'global:crypto.getRandomValues': { instead: `${guid}, or an activity` },
  'node:crypto.randomUUID': { instead: guid, replacement: guid },
  'node:crypto.webcrypto': { instead: `${guid}, or an activity` },
  'node:crypto.randomBytes': { instead: `${guid}, or an activity` },
  'node:crypto.randomInt': { instead: activity },
  'node:crypto.randomFill': { instead: activity },
  'node:crypto.randomFillSync': { instead: activity },
  'node:crypto.getRandomValues': { instead: activity },
  'uuid.v1': { instead: guid, replacement: guid },
  'uuid.v4': { instead: guid, replacement: guid },
  'uuid.v6': { instead: guid, replacement: guid },
  'uuid.v7': { instead: guid, replacement: guid },
  'nanoid.nanoid': { instead: guid },
  'global:setTimeout': { instead: timer },
  'global:setInterval': { instead: timer },
  'global:setImmediate': { instead: timer },
  'global:process.nextTick': { instead: 'a task of {ctx}' },
  'global:fetch': { instead: request },
  'global:XMLHttpRequest': { instead: request },
  'global:WebSocket': { instead: activity },
  'global:EventSource': { instead: activity },
  'global:process.env': { instead: environment },
  'global:process.argv': { instead: environment },
  'node:process.env': { instead: environment },
  'global:console.log': { instead: `${log}.info` },
  'global:console.info': { instead: `${log}.info` },
  'global:console.debug': { instead: `${log}.debug` },
  'global:console.warn': { instead: `${log}.warn` },
  'global:console.error': { instead: `${log}.error` },
};

/** Whole modules. */
const byModule: Readonly<Record<string, string>> = {
  'node:timers': timer,
  'node:timers/promises': timer,
  'node:fs': activity,
  'node:fs/promises': activity,
  'node:child_process': activity,
  'node:cluster': activity,
  'node:dgram': activity,
  'node:dns': activity,
  'node:dns/promises': activity,
  'node:http': request,
  'node:http2': request,
  'node:https': request,
  'node:net': activity,
  'node:os': environment,
  'node:readline': activity,
  'node:readline/promises': activity,
  'node:tls': activity,
  'node:worker_threads': activity,
  axios: request,
  got: request,
  ky: request,
  'node-fetch': request,
  superagent: request,
  undici: request,
};

/** @returns `undefined` for what may be used */
export function forbiddenBy(origin: string): Forbidden | undefined {
  for (const part of beginningsOf(origin)) {
    const found = Object.hasOwn(byOrigin, part) ? byOrigin[part] : undefined;
    if (found !== undefined) return { what: toName(part), ...found };
    const instead = Object.hasOwn(byModule, part) ? byModule[part] : undefined;
    if (instead !== undefined) return { what: toName(origin), instead };
  }
  return undefined;
}

/** `a.b.c`, `a.b`, `a`; names of modules may hold dots of their own. */
function beginningsOf(origin: string): readonly string[] {
  const parts = origin.split('.');
  return parts.map((_part, index) => parts.slice(0, parts.length - index).join('.'));
}

function toName(origin: string): string {
  return origin.replace(/^global:/, '');
}
