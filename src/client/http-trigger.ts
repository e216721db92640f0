import type { ReplaySafeLog } from '../model/functions.ts';
import type { DurableClient, HttpTriggerRequest } from './client.ts';

const brand: unique symbol = Symbol.for('perdure.definition');

export const httpMethods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof httpMethods)[number];

export const authLevels = ['anonymous', 'function', 'admin'] as const;
export type AuthLevel = (typeof authLevels)[number];

/** Answers a request: a `Response`, or any value that JSON can hold (200), or nothing (204). */
export type HttpTriggerHandler = (
  request: HttpTriggerRequest,
  client: DurableClient,
  context: HttpTriggerContext,
) => unknown;

/** What is around one request. */
export interface HttpTriggerContext {
  /** The id of the request, as the service's log has it. */
  readonly invocationId: string;
  /** Writes to the service's log. */
  readonly log: ReplaySafeLog;
}

/** Where an HTTP trigger listens. */
export interface HttpTriggerOptions {
  /** Default `['GET', 'POST']`, as Azure Functions. */
  readonly methods?: readonly HttpMethod[];
  /** Path below `/api/`, with parameters in braces: `orders/{instanceId}/confirm`. Default: the trigger's name. */
  readonly route?: string;
  /**
   * Who may call: `'function'` asks for a key that may write, `'admin'` for one that may do everything, `'anonymous'` for
   * none. Default `'anonymous'`.
   */
  readonly authLevel?: AuthLevel;
}

export interface HttpTriggerDefinition {
  readonly [brand]: 'http';
  readonly name: string;
  readonly methods: readonly HttpMethod[];
  readonly route: string;
  readonly authLevel: AuthLevel;
  readonly handler: HttpTriggerHandler;
}

/**
 * Defines an HTTP endpoint of the user's own, served below `/api/`.
 * @throws TypeError for a bad name, method, route or handler
 */
export function http(name: string, options: HttpTriggerOptions, handler: HttpTriggerHandler): HttpTriggerDefinition {
  if (typeof name !== 'string' || name.length === 0) throw new TypeError('http(name, …): the name must not be empty.');
  if (typeof handler !== 'function') {
    throw new TypeError(`http('${name}', …): the third argument must be the function that answers.`);
  }
  const methods = options.methods ?? ['GET', 'POST'];
  const unknown = methods.find((method) => !httpMethods.includes(method));
  if (methods.length === 0 || unknown !== undefined) {
    throw new TypeError(`http('${name}', …): methods must be a non-empty list out of ${httpMethods.join(', ')}.`);
  }
  const { authLevel = 'anonymous' } = options;
  if (!authLevels.includes(authLevel)) {
    throw new TypeError(`http('${name}', …): authLevel must be one of ${authLevels.join(', ')}.`);
  }
  return {
    [brand]: 'http',
    name,
    methods: [...methods],
    route: (options.route ?? name).replace(/^\/+|\/+$/g, ''),
    authLevel,
    handler,
  };
}

/** Whether a module's export is an HTTP trigger, also one made by another copy of this package. */
export function isHttpTrigger(value: unknown): value is HttpTriggerDefinition {
  return typeof value === 'object' && value !== null && brand in value && value[brand] === 'http';
}
