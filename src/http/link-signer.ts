/** Which answers get signed links, for how long and for what; and the secrets at hand when the links are made. */
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Access, SigningSecret } from '../client/access.ts';
import { DurableError } from '../model/errors.ts';
import { scopeOfLink } from './operations.ts';
import type { Caller } from './plugins/auth.ts';
import { Query } from './query.ts';
import { type LinkOperation, signLink } from './signed-links.ts';

/** How the links of one answer are signed. */
export interface LinkSigning {
  readonly secret: SigningSecret;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** `undefined`: links repeat the caller's key. */
    signing: LinkSigning | undefined;
  }
}

export interface LinkSignerOptions {
  readonly access: Access | undefined;
  /** Sign the links of every answer. */
  readonly always: boolean;
  /** How long links are good, in ms, unless a request says otherwise. */
  readonly ttlMs: number;
}

/** The longest that links may be good for. */
const maxTtlSeconds = 366 * 86_400;

/** For event links of one event. */
export type SignFunction = (instanceId: string, operation: LinkOperation) => string | undefined;

export class LinkSigner {
  readonly #options: LinkSignerOptions;

  /** @throws TypeError when links are always to be signed and there is nowhere to keep a secret */
  constructor(options: LinkSignerOptions) {
    if (options.always && options.access === undefined) {
      throw new TypeError('Signed links need a task hub that keeps the secrets that sign them.');
    }
    this.#options = options;
  }

  /** Gives requests a place for how their links are signed. To be called once, before routes are added. */
  remember(app: FastifyInstance): void {
    app.decorateRequest('signing', undefined);
  }

  /** After it is known who calls: 400 for a wish that cannot be met, before anything is done. */
  readonly prepare: onRequestHookHandler = (request, _reply, done) => {
    let ttlMs: number | undefined;
    try {
      ttlMs = this.#wanted(request);
    } catch (error) {
      return done(error instanceof Error ? error : new Error(String(error)));
    }
    if (ttlMs === undefined) return done();
    this.#remember(request, Math.min(Date.now() + ttlMs, request.caller?.link?.expiresAt ?? Infinity), done);
  };

  /** The same for user code, whose query strings are its own. */
  readonly prepareForUserCode: onRequestHookHandler = (request, _reply, done) => {
    if (!this.#options.always) return done();
    this.#remember(request, Date.now() + this.#options.ttlMs, done);
  };

  #remember(request: FastifyRequest, expiresAt: number, done: (error?: Error) => void): void {
    this.#signing(expiresAt).then(
      (signing) => {
        request.signing = signing;
        done();
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** For how long, in ms; `undefined` for links that are not signed. */
  #wanted(request: FastifyRequest): number | undefined {
    const query = request.query instanceof Query ? request.query : Query.empty;
    // Who came by a link has no key that other links could repeat.
    const isLink = request.caller?.link !== undefined;
    const isWanted = query.strictFlag('signedLinks', this.#options.always) || isLink;
    const seconds = query.seconds('linkExpiresIn');
    if (seconds !== undefined && !(seconds >= 1 && seconds <= maxTtlSeconds)) {
      throw new DurableError(
        'InvalidArgument',
        `The query parameter 'linkExpiresIn' must be 1 to ${maxTtlSeconds} seconds.`,
      );
    }
    if (!isWanted) return undefined;
    return seconds === undefined ? this.#options.ttlMs : seconds * 1_000;
  }

  /** How links are signed that were not asked for by a request. @param ttlMs default: the setting */
  signFor(ttlMs: number = this.#options.ttlMs): Promise<LinkSigning> {
    if (!(ttlMs >= 1_000 && ttlMs <= maxTtlSeconds * 1_000)) {
      throw new DurableError('InvalidArgument', `Links can be good for 1 to ${maxTtlSeconds} seconds.`);
    }
    return this.#signing(Date.now() + ttlMs);
  }

  async #signing(expiresAt: number): Promise<LinkSigning> {
    const [secret] = (await this.#options.access?.signingSecrets()) ?? [];
    if (secret === undefined) {
      throw new DurableError('InvalidArgument', 'Signed links are not available: this task hub keeps no secrets.');
    }
    return { secret, expiresAt };
  }
}

/**
 * Makes the tokens of one answer's links.
 * @param limits.caller whose links are good for nothing more than the caller itself may do; `undefined` for links that user
 *   code hands out
 */
export function signFunction(
  { secret, expiresAt }: LinkSigning,
  limits: { readonly taskHub: string; readonly caller: Caller | undefined; readonly eventName?: string },
): SignFunction {
  const { taskHub, caller, eventName } = limits;
  return (instanceId, operation) => {
    if (caller !== undefined && !mayPassOn(caller, operation)) return undefined;
    const event = eventName === undefined ? {} : { eventName };
    return signLink(secret, { operation, taskHub, instanceId, expiresAt, ...event });
  };
}

/** A restart by link gives links to look at what runs then, and to restart it again. */
function mayPassOn(caller: Caller, operation: LinkOperation): boolean {
  if (caller.link !== undefined) return operation === 'status' || operation === caller.link.operation;
  return caller.scopes.includes(scopeOfLink(operation));
}
