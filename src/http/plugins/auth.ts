/**
 * Who calls: the owner of the system key or of a named key, the holder of a signed link, or nobody that we know. Keys and
 * tokens come as query `code` or as header `x-functions-key`, as in Functions.
 */
import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Access, KnownKey } from '../../client/access.ts';
import { type ActorKind, type Scope, scopes as allScopes } from '../../model/access.ts';
import { splitTarget } from '../canonical-url.ts';
import type { OperationAccess } from '../operations.ts';
import { emptyProblem, Problem } from '../problem.ts';
import { Query } from '../query.ts';
import { isLinkToken, type LinkGrant, readLink } from '../signed-links.ts';
import type { RateLimit } from './rate-limit.ts';

/** Somebody who may call. */
export interface Caller {
  readonly kind: ActorKind;
  /** Name of the key, or what stands for one. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The key that links repeat, so that clients can build other URLs from them. */
  readonly credential: string | undefined;
  /** What a signed link allows, instead of scopes. */
  readonly link?: LinkGrant;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; `undefined` until that was found out, and for nobody that we know. */
    caller: Caller | undefined;
  }
}

export interface GateOptions {
  readonly systemKey: string | undefined;
  /** Ask for a key although there is no system key: named ones will do. */
  readonly requireKeys: boolean;
  /** `undefined`: there are no named keys and no signed links. */
  readonly access: Access | undefined;
  readonly defaultTaskHub: string;
  readonly rateLimit: RateLimit;
  /** Origins whose pages may call; `*` for all. */
  readonly corsOrigins: readonly string[];
  /** Whether a request comes from this machine itself. */
  readonly isLocal: (request: FastifyRequest) => boolean;
}

export class Gate {
  /** No key is asked for. */
  readonly isOpen: boolean;
  readonly #options: GateOptions;
  readonly #systemKey: Buffer | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#systemKey = options.systemKey === undefined ? undefined : Buffer.from(options.systemKey);
    this.isOpen = this.#systemKey === undefined && !options.requireKeys;
  }

  /** No promise where nothing has to be read. */
  identify(request: FastifyRequest): Caller | undefined | Promise<Caller | undefined> {
    const texts = presented(request);
    if (this.isOpen)
      return texts[0] !== undefined && isLinkToken(texts[0]) ? this.#link(request, texts) : anybody(texts);
    if (texts.length === 0) return undefined;
    for (const text of texts) {
      if (this.#systemKey !== undefined && sameKey(Buffer.from(text), this.#systemKey)) {
        return { kind: 'system', name: 'system', scopes: allScopes, credential: text };
      }
    }
    const named = this.#named(texts.filter((text) => !isLinkToken(text)));
    if (named instanceof Promise) return named.then((caller) => caller ?? this.#link(request, texts));
    return named ?? this.#link(request, texts);
  }

  #named(texts: readonly string[]): Caller | undefined | Promise<Caller | undefined> {
    const { access } = this.#options;
    if (access === undefined) return undefined;
    for (const [at, text] of texts.entries()) {
      const found = access.findKey(text);
      if (found instanceof Promise) {
        return found.then((key) => (key === undefined ? this.#named(texts.slice(at + 1)) : callerOf(key, text)));
      }
      if (found !== undefined) return callerOf(found, text);
    }
    return undefined;
  }

  #link(request: FastifyRequest, texts: readonly string[]): Caller | undefined | Promise<Caller | undefined> {
    const token = texts.find(isLinkToken);
    const { access, defaultTaskHub } = this.#options;
    const instanceId = parameter(request, 'instanceId');
    if (token === undefined || access === undefined || instanceId === undefined) return undefined;
    const taskHub = (queryOf(request).raw('taskHub') ?? '').trim() || defaultTaskHub;
    const target = { taskHub, instanceId, eventName: parameter(request, 'eventName') };
    const secrets = access.signingSecrets();
    return secrets instanceof Promise
      ? secrets.then((read) => holderOf(readLink(token, read, target)))
      : holderOf(readLink(token, secrets, target));
  }

  /** Finds out who calls, and lets everybody on. */
  readonly look: onRequestHookHandler = (request, _reply, done) => {
    const caller = this.identify(request);
    if (!(caller instanceof Promise)) {
      request.caller = caller;
      return done();
    }
    caller.then(
      (found) => {
        request.caller = found;
        done();
      },
      (error: unknown) => done(asError(error)),
    );
  };

  /** After {@link look}: 401 for nobody that we know, or 429 when that happens too often; before anything is read. */
  readonly requireCaller: onRequestHookHandler = (request, _reply, done) => {
    if (request.caller === undefined) return this.#refuse(request, done);
    done(this.isOpen && this.#isForeignPage(request) ? foreignPage() : undefined);
  };

  /**
   * Where no key is asked for, any page that a browser on this machine shows could steer the service without being able to
   * read an answer. Browsers say so, and pages cannot prevent it.
   */
  #isForeignPage({ method, headers }: FastifyRequest): boolean {
    if (method === 'GET' || headers['sec-fetch-site'] !== 'cross-site') return false;
    const { corsOrigins } = this.#options;
    return !corsOrigins.includes('*') && !corsOrigins.includes(headers.origin ?? '');
  }

  /**
   * After {@link look}: 401 or 403 unless the caller has a key with this scope.
   * @param asObject whether the 401 has a body
   */
  requireScope(scope: Scope, asObject = true): onRequestHookHandler {
    return (request, _reply, done) => {
      if (request.caller === undefined) return this.#refuse(request, done, asObject);
      done(request.caller.scopes.includes(scope) ? undefined : forbidden(request.caller, scope));
    };
  }

  /** After {@link requireCaller}: 403 unless the caller may do this. */
  requireOperation(wanted: OperationAccess): onRequestHookHandler {
    return ({ caller }, _reply, done) => {
      if (caller === undefined || mayDo(caller, wanted)) return done();
      done(forbidden(caller, wanted.scope));
    };
  }

  /** After {@link look}: documentation and the like want a key only of those who do not call from this machine. */
  readonly requireCallerFromElsewhere: onRequestHookHandler = (request, reply, done) => {
    if (this.isOpen || this.#options.isLocal(request)) return done();
    this.requireScope('read').call(request.server, request, reply, done);
  };

  /**
   * After {@link look}: for what is never open to the network without a key, whatever else is.
   * @param asObject whether the 401 has a body
   */
  requireAdmin(asObject: boolean): onRequestHookHandler {
    const check = this.requireScope('admin', asObject);
    return (request, reply, done) => {
      if (this.isOpen && !this.#options.isLocal(request)) return this.#refuse(request, done, asObject);
      check.call(request.server, request, reply, done);
    };
  }

  /** After {@link look}: calls that need no key, from elsewhere, may be too many. */
  readonly limitStrangers: onRequestHookHandler = (request, _reply, done) => {
    const isStranger = request.caller === undefined || request.caller.kind === 'anonymous';
    const limited = isStranger && !this.#options.isLocal(request) ? this.#options.rateLimit(request) : undefined;
    if (limited === undefined) return done();
    limited.then(
      (problem) => done(problem),
      (error: unknown) => done(asError(error)),
    );
  };

  /** @param asObject with a body; the management API and Functions leave it empty */
  #refuse(request: FastifyRequest, done: (error: Error) => void, asObject = false): void {
    const refusal = asObject ? keyMissing() : emptyProblem(401);
    const limited = this.#options.isLocal(request) ? undefined : this.#options.rateLimit(request);
    if (limited === undefined) return done(refusal);
    limited.then(
      (problem) => done(problem ?? refusal),
      (error: unknown) => done(asError(error)),
    );
  }
}

/** Gives requests a place for who calls. To be called once, before routes are added. */
export function rememberCallers(app: FastifyInstance): void {
  app.decorateRequest('caller', undefined);
}

function mayDo(caller: Caller, { scope, link }: OperationAccess): boolean {
  if (caller.link === undefined) return caller.scopes.includes(scope);
  const { operation } = caller.link;
  return link !== undefined && (operation === link || (operation === 'event' && link === 'raiseEvent'));
}

const anyone: Caller = { kind: 'anonymous', name: 'anonymous', scopes: allScopes, credential: undefined };

/** Where no key is asked for, links repeat whatever was sent. */
function anybody([credential]: readonly string[]): Caller {
  return credential === undefined ? anyone : { ...anyone, credential };
}

function callerOf({ name, scopes }: KnownKey, credential: string): Caller {
  const all = scopes.includes('admin') ? allScopes : scopes;
  return { kind: 'key', name, scopes: all, credential };
}

function holderOf(link: LinkGrant | undefined): Caller | undefined {
  return link && { kind: 'link', name: `link to ${link.operation}`, scopes: [], credential: undefined, link };
}

/**
 * For what only some calls of an operation ask for.
 * @throws Problem 403 unless the caller's key has this scope
 */
export function requireScopeOf({ caller }: FastifyRequest, scope: Scope): void {
  if (caller?.scopes.includes(scope) === true) return;
  throw caller === undefined ? keyMissing() : forbidden(caller, scope);
}

function forbidden(caller: Caller, scope: Scope): Problem {
  const message =
    caller.link === undefined
      ? `The key '${caller.name}' does not have the scope '${scope}', which this takes.`
      : `This link is good for '${caller.link.operation}' only.`;
  return new Problem(403, { kind: 'object', message, type: 'Forbidden' });
}

function keyMissing(): Problem {
  const message = "A valid key is needed, as query parameter 'code' or header 'x-functions-key'.";
  return new Problem(401, { kind: 'object', message, type: 'Unauthorized' });
}

function foreignPage(): Problem {
  const message = 'Pages of other sites may not call this service. Let them in with --cors-origins, or ask for a key.';
  return new Problem(403, { kind: 'object', message, type: 'Forbidden' });
}

/** Keys and tokens as they were sent, the query's first. */
function presented(request: FastifyRequest): readonly string[] {
  const code = queryOf(request).raw('code');
  const sent = request.headers['x-functions-key'];
  const header = Array.isArray(sent) ? sent[0] : sent;
  if (code === undefined && header === undefined) return none;
  return [code, header].filter((text) => text !== undefined).filter((text) => text !== '');
}

const none: readonly string[] = [];

/** Requests that fail before routing come without a query. */
function queryOf(request: FastifyRequest): Query {
  return request.query instanceof Query ? request.query : Query.parse(splitTarget(request.url).tail.slice(1));
}

function parameter({ params }: FastifyRequest, name: string): string | undefined {
  if (typeof params !== 'object' || params === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(params, name)?.value;
  return typeof value === 'string' ? value : undefined;
}

/** Takes equally long wherever the keys differ; their length is no secret. */
function sameKey(key: Buffer, expected: Buffer): boolean {
  return key.length === expected.length && timingSafeEqual(key, expected);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
