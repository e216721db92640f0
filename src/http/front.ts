/** What every route of the management API needs: the client for the hub that a request names, and its links. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ClientSource, LocalOrchestrationClient } from '../client/client.ts';
import type { Once } from '../client/once.ts';
import type { StatusEvents } from '../client/status-events.ts';
import { DurableError } from '../model/errors.ts';
import type { BaseUrl } from './base-url.ts';
import { mount, mountOf, splitTarget } from './canonical-url.ts';
import { defaultConnection, type LinkScope } from './links.ts';
import { signFunction } from './link-signer.ts';
import { Places } from './places.ts';
import { Query } from './query.ts';

/** A request to the management API; its query string is read by {@link Query}. */
export type ManagementRequest<Params = unknown> = FastifyRequest<{ Params: Params; Querystring: Query }>;

/** Adds one operation to the application that serves the mount. */
export type Route = (app: FastifyInstance, front: Front) => void;

export interface FrontParts {
  readonly clients: ClientSource;
  readonly baseUrl: BaseUrl;
  /** Whether callers' own addresses are replaced by a configured one. */
  readonly hasPublicUrl: boolean;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  /** Requests that may wait for an end at the same time. */
  readonly maxWaiting: number;
  /** Event streams at the same time. */
  readonly maxStreams: number;
}

const maxTaskHubLength = 256;

export class Front {
  readonly stopping: AbortSignal;
  readonly waiting: Places;
  readonly defaultClient: LocalOrchestrationClient;
  readonly streams: Places;
  /** Remembers calls that carry an idempotency key. */
  readonly once: Once | undefined;
  readonly events: StatusEvents | undefined;
  readonly #parts: FrontParts;

  constructor(parts: FrontParts) {
    this.#parts = parts;
    this.stopping = parts.stopping;
    this.once = parts.clients.once;
    this.waiting = new Places(parts.maxWaiting);
    this.streams = new Places(parts.maxStreams);
    this.events = parts.clients.events;
    this.defaultClient = parts.clients.open(parts.clients.defaultTaskHub);
  }

  /** The client for the task hub that the request names, or the default one; of a call that is made once, its own. */
  client(request: ManagementRequest): LocalOrchestrationClient {
    const taskHub = request.query.value('taskHub');
    const { defaultTaskHub } = this.#parts.clients;
    const isDefault = taskHub === undefined || taskHub === defaultTaskHub;
    if (taskHub !== undefined && taskHub.length > maxTaskHubLength) {
      throw new DurableError('InvalidArgument', `A task hub's name has at most ${maxTaskHubLength} characters.`);
    }
    const call = request.once?.call;
    if (call?.isOpen === true) return call.open(taskHub ?? defaultTaskHub, request.audit);
    if (isDefault) {
      return request.audit === undefined ? this.defaultClient : this.#parts.clients.open(defaultTaskHub, request.audit);
    }
    return this.#parts.clients.open(taskHub, request.audit);
  }

  /**
   * Hub and connection are repeated as the request named them, and so is the key of the caller, unless links are signed.
   * @param forUserCode the links are handed out by user code, which decides what they are good for
   */
  links(request: FastifyRequest, forUserCode = false): LinkScope {
    const query = request.query instanceof Query ? request.query : Query.empty;
    const { defaultTaskHub } = this.#parts.clients;
    // User code works on the default hub, whatever its callers write into their URLs.
    const taskHub = forUserCode ? defaultTaskHub : (query.value('taskHub') ?? defaultTaskHub);
    const { signing, caller } = request;
    return {
      base: this.#parts.baseUrl(request),
      taskHub,
      connection: query.value('connection') ?? defaultConnection,
      key: caller?.credential,
      ...(signing === undefined
        ? {}
        : { sign: signFunction(signing, { taskHub, caller: forUserCode ? undefined : caller }) }),
    };
  }

  /**
   * The request's own URL with its whole query, which is the `Location` of a 202 of a status query. Behind a public
   * URL it is that of the mount that links use: the other mounts need not be reachable there.
   */
  ownUrl(request: FastifyRequest): string {
    const { path, tail } = splitTarget(request.originalUrl);
    const base = this.#parts.baseUrl(request);
    if (!this.#parts.hasPublicUrl) return base + path + tail;
    return base + mount + path.slice(mountOf(path)?.length ?? 0) + tail;
  }
}
