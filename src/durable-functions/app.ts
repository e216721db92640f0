/** `df.app`, and `app` of `@azure/functions` as far as it is about HTTP: functions that register themselves. */
import { entity as defineEntity, type DurableEntityContext } from '../model/entity-functions.ts';
import type { RetryOptions } from '../model/durable-functions.ts';
import { activity as defineActivity, orchestration as defineOrchestration } from '../model/functions.ts';
import {
  httpClientFunction,
  httpFunction,
  refuseBindings,
  type HttpDurableClientHandler,
  type HttpFunctionOptions,
  type HttpHandler,
} from './http.ts';
import { invocationContext, type InvocationContext } from './invocation-context.ts';
import { RegisteredTask, runHandler, type Loose, type OrchestrationHandler } from './orchestrator.ts';
import { register } from './registrations.ts';

/** Bindings of a function; only those that say nothing are taken. */
interface Bindings {
  readonly extraInputs?: readonly unknown[];
  readonly extraOutputs?: readonly unknown[];
}

export interface OrchestrationOptions extends Bindings {
  readonly handler: OrchestrationHandler;
}

/** The input is whatever the caller gave. */
export type ActivityHandler = (input: Loose, context: InvocationContext) => unknown;

export interface ActivityOptions extends Bindings {
  readonly handler: ActivityHandler;
}

export interface EntityContext<State> extends InvocationContext {
  readonly df: DurableEntityContext<State>;
}

export type EntityHandler<State> = (context: EntityContext<State>) => unknown;

export interface EntityOptions<State> extends Bindings {
  readonly handler: EntityHandler<State>;
}

/** Yield what it returns: that calls the activity. */
export type RegisteredActivity = (input?: unknown) => RegisteredTask;

/** Yield what it returns: that starts the sub-orchestration. */
export type RegisteredOrchestration = (input?: unknown, instanceId?: string) => RegisteredTask;

/** What may be added to failures as their `properties`. */
export interface ExceptionPropertiesProvider {
  getExceptionProperties(error: unknown): Readonly<Record<string, unknown>> | undefined;
}

let propertiesProvider: ExceptionPropertiesProvider | undefined;

/** @throws TypeError for a bad name or handler, or bindings */
export function orchestration(
  name: string,
  given: OrchestrationHandler | OrchestrationOptions,
): RegisteredOrchestration {
  const { handler, ...options } = typeof given === 'function' ? { handler: given } : given;
  refuseBindings(name, options);
  requireHandler('orchestration', name, handler);
  register(defineOrchestration(name, (context) => runHandler(handler, context)));
  return (input, instanceId) =>
    new RegisteredTask(`the orchestration '${name}'`, (df, retry?: RetryOptions) =>
      retry === undefined
        ? df.callSubOrchestrator(name, input, instanceId)
        : df.callSubOrchestratorWithRetry(name, retry, input, instanceId),
    );
}

/** @throws TypeError for a bad name or handler, or bindings */
export function activity(name: string, { handler, ...options }: ActivityOptions): RegisteredActivity {
  refuseBindings(name, options);
  requireHandler('activity', name, handler);
  register(
    defineActivity(name, async (input, { activityName, taskId, log }) => {
      try {
        return await handler(input, invocationContext({ functionName: activityName, invocationId: taskId, log }));
      } catch (error) {
        throw withProperties(error);
      }
    }),
  );
  return (input) =>
    new RegisteredTask(`the activity '${name}'`, (df, retry?: RetryOptions) =>
      retry === undefined ? df.callActivity(name, input) : df.callActivityWithRetry(name, retry, input),
    );
}

/** @throws TypeError for a bad name or handler, or bindings */
export function entity<State = unknown>(name: string, given: EntityHandler<State> | EntityOptions<State>): void {
  const { handler, ...options } = typeof given === 'function' ? { handler: given } : given;
  refuseBindings(name, options);
  requireHandler('entity', name, handler);
  register(
    defineEntity<State>(name, ({ df, log }) =>
      handler({ ...invocationContext({ functionName: name, invocationId: df.entityId.toString(), log }), df }),
    ),
  );
}

/** What it says of an error that an activity throws becomes part of the failure's `properties`; `undefined` ends that. */
export function setExceptionPropertiesProvider(provider: ExceptionPropertiesProvider | undefined): void {
  propertiesProvider = provider;
}

/** An HTTP function; `getClient(context)` gives its handler the client. @throws TypeError as `http` */
export function http(name: string, options: HttpFunctionOptions<HttpHandler> | HttpHandler): void {
  register(httpFunction(name, options));
}

const withMethod =
  (method: string) =>
  (name: string, options: HttpFunctionOptions<HttpHandler> | HttpHandler): void =>
    http(name, { ...(typeof options === 'function' ? { handler: options } : options), methods: [method] });

export const get = withMethod('GET');
export const post = withMethod('POST');
export const put = withMethod('PUT');
export const patch = withMethod('PATCH');
export const deleteRequest = withMethod('DELETE');

/**
 * A function by its trigger: `df.trigger.orchestration()`, `activity()` or `entity()`.
 * @throws TypeError for another trigger
 */
export function generic(
  name: string,
  {
    trigger,
    handler,
    ...rest
  }: Bindings & { readonly trigger: { readonly type: string }; readonly handler: (...args: never) => unknown },
): void {
  const options = { ...rest, handler: handler as never }; // of the kind that the trigger says
  switch (trigger.type) {
    case 'orchestrationTrigger':
      orchestration(name, options);
      return;
    case 'activityTrigger':
      activity(name, options);
      return;
    case 'entityTrigger':
      entity(name, options);
      return;
    default:
      throw noTrigger(name, trigger.type);
  }
}

/** Functions of other triggers, whose handlers get the client as an argument. Only HTTP is there. */
export const client = {
  /** @throws TypeError as `http` */
  http: (name: string, options: HttpFunctionOptions<HttpDurableClientHandler>): void =>
    register(httpClientFunction(name, options)),
  timer: otherTrigger('timer'),
  storageBlob: otherTrigger('storageBlob'),
  storageQueue: otherTrigger('storageQueue'),
  serviceBusQueue: otherTrigger('serviceBusQueue'),
  serviceBusTopic: otherTrigger('serviceBusTopic'),
  eventHub: otherTrigger('eventHub'),
  eventGrid: otherTrigger('eventGrid'),
  cosmosDB: otherTrigger('cosmosDB'),
  generic: otherTrigger('generic'),
};

function otherTrigger(kind: string): (name: string, options: unknown) => never {
  return (name) => {
    throw noTrigger(name, kind);
  };
}

function noTrigger(name: string, kind: string): TypeError {
  return new TypeError(
    `'${name}' has a trigger of the kind '${kind}', which is not there. Start orchestrations over HTTP ` +
      '(app.http, or POST …/orchestrators/{name}), or from your own code with createTaskHub({ … }).client.',
  );
}

function requireHandler(kind: string, name: string, handler: unknown): void {
  if (typeof handler === 'function') return;
  throw new TypeError(`app.${kind}('${name}', …): the handler must be a function.`);
}

/** The error with what the provider says of it; one that cannot take it in is left as it is. */
function withProperties(error: unknown): unknown {
  const properties = propertiesProvider?.getExceptionProperties(error);
  if (properties === undefined) return error;
  const target = error instanceof Error ? error : new Error(String(error));
  const before: unknown = 'properties' in target ? target.properties : undefined;
  if (!Object.isExtensible(target)) return error;
  Reflect.defineProperty(target, 'properties', {
    value: { ...(typeof before === 'object' ? before : {}), ...properties },
    enumerable: false,
    configurable: true,
  });
  return target;
}
