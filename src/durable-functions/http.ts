/** HTTP functions in the style of Azure Functions v4: handlers that answer with `{ status, body, jsonBody, headers }`. */
import { http, httpMethods, type HttpMethod, type HttpTriggerDefinition } from '../client/http-trigger.ts';
import type { HttpTriggerRequest } from '../client/client.ts';
import { DurableClient, rememberClient } from './client.ts';
import { invocationContext, type InvocationContext } from './invocation-context.ts';

/** What a handler answers with. */
export interface HttpResponseInit {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: ConstructorParameters<typeof Response>[0];
  /** Sent as JSON, instead of `body`. */
  readonly jsonBody?: unknown;
}

export type HttpRequest = HttpTriggerRequest;
export type HttpResult = Response | HttpResponseInit | undefined;
export type HttpHandler = (request: HttpRequest, context: InvocationContext) => Promise<HttpResult> | HttpResult;
export type HttpDurableClientHandler = (
  request: HttpRequest,
  client: DurableClient,
  context: InvocationContext,
) => Promise<HttpResult> | HttpResult;

export interface HttpFunctionOptions<Handler> {
  /** Default GET and POST. */
  readonly methods?: readonly string[];
  /** Default: the function's name. */
  readonly route?: string;
  readonly authLevel?: 'anonymous' | 'function' | 'admin';
  readonly extraInputs?: readonly { readonly type: string }[];
  readonly extraOutputs?: readonly unknown[];
  readonly handler: Handler;
}

/**
 * An HTTP trigger that runs such a handler.
 * @throws TypeError for bindings that are not there, and for what `http` refuses
 */
export function httpFunction(
  name: string,
  options: HttpFunctionOptions<HttpHandler> | HttpHandler,
): HttpTriggerDefinition {
  const { handler, ...rest } = typeof options === 'function' ? { handler: options } : options;
  return trigger(name, rest, (request, _client, context) => handler(request, context));
}

/** The same for `app.client.http`, whose handlers get the client as an argument. */
export function httpClientFunction(
  name: string,
  { handler, ...options }: HttpFunctionOptions<HttpDurableClientHandler>,
): HttpTriggerDefinition {
  return trigger(name, options, handler);
}

function trigger(
  name: string,
  options: Omit<HttpFunctionOptions<unknown>, 'handler'>,
  handler: HttpDurableClientHandler,
): HttpTriggerDefinition {
  refuseBindings(name, options);
  const { route, authLevel } = options;
  const methods = options.methods?.map((method) => methodOf(name, method));
  return http(
    name,
    {
      ...(methods === undefined ? {} : { methods }),
      ...(route === undefined ? {} : { route }),
      ...(authLevel === undefined ? {} : { authLevel }),
    },
    async (request, native, { invocationId, log }) => {
      const context = invocationContext({ functionName: name, invocationId, log });
      const client = new DurableClient(native);
      rememberClient(context, client);
      return toResponse(await handler(request, client, context));
    },
  );
}

function methodOf(name: string, method: string): HttpMethod {
  const found = httpMethods.find((known) => known === method.toUpperCase());
  if (found !== undefined) return found;
  throw new TypeError(`app.http('${name}', …): the method '${method}' is none of ${httpMethods.join(', ')}.`);
}

/** @throws TypeError for bindings other than the durable client */
export function refuseBindings(
  name: string,
  {
    extraInputs = [],
    extraOutputs = [],
  }: { readonly extraInputs?: readonly unknown[]; readonly extraOutputs?: readonly unknown[] },
): void {
  const other = extraInputs.find((input) => !isDurableClient(input));
  if (other === undefined && extraOutputs.length === 0) return;
  throw new TypeError(
    `'${name}': input and output bindings of Azure Functions (other than df.input.durableClient()) are not there. ` +
      'Call the service from an activity instead.',
  );
}

function isDurableClient(input: unknown): boolean {
  return typeof input === 'object' && input !== null && 'type' in input && input.type === 'durableClient';
}

/** What a handler answered, as a standard response; the `HttpResponse` of `@azure/functions` is one in all but name. */
export function toResponse(result: unknown): Response | undefined {
  if (result === undefined || result === null) return undefined;
  if (result instanceof Response) return result;
  if (typeof result !== 'object')
    throw new TypeError(`An HTTP function answered with a ${typeof result}: answer with { body } or { jsonBody }.`);
  const { status = 200, headers, body, jsonBody }: HttpResponseInit = result;
  const all = new Headers(headers);
  if (jsonBody === undefined) return new Response(body ?? null, { status, headers: all });
  const text = JSON.stringify(jsonBody);
  if (text === undefined) throw new TypeError(`jsonBody is a ${typeof jsonBody}, which JSON cannot hold.`);
  if (!all.has('content-type')) all.set('content-type', 'application/json; charset=utf-8');
  return new Response(text, { status, headers: all });
}
