/** Answers to `ctx.callHttp` in a test. */
import { httpActivityName, type HttpActivityRequest, type HttpActivityResponse } from '../model/durable-http.ts';
import { activity, type ActivityDefinition } from '../model/functions.ts';
import { refuseStatus } from '../worker/in-process/built-in/durable-http.ts';
import { mock, type MockDefinition, type MockHandler } from './mock.ts';

/** What a mocked server answers. */
export interface MockHttpResponse {
  /** Default 200. */
  readonly statusCode?: number;
  /** Names in lower case. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: empty. */
  readonly content?: string;
}

/**
 * Stands in for the network: answers every request of `ctx.callHttp`, polls and retries included.
 * @param handler gets method, uri, headers and content; what it throws is a request that failed
 */
export function mockHttp(
  handler: MockHandler<HttpActivityRequest, MockHttpResponse>,
): MockDefinition<HttpActivityRequest, HttpActivityResponse> {
  return mock<HttpActivityRequest, HttpActivityResponse>(httpActivityName, async (request, context, call) => {
    const { statusCode = 200, headers = {}, content = '' } = await handler(request, context, call);
    const response = { statusCode, headers, content };
    refuseStatus(request, response);
    return response;
  });
}

/** In place of the network where a test has none. */
export const noHttp: ActivityDefinition<HttpActivityRequest, HttpActivityResponse> = activity(
  httpActivityName,
  async ({ method, uri }: HttpActivityRequest) => {
    const error = new Error(
      `${method} ${uri} was not sent: a test environment has no network for ctx.callHttp. Give it mockHttp(…) among its functions.`,
    );
    throw Object.assign(error, { isNonRetriable: true });
  },
);
