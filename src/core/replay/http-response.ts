import type { DurableHttpResponse, HttpActivityResponse } from '../../model/durable-http.ts';

/** What `callHttp` gives. Its JSON is that of Durable Functions: status, headers and content. */
export class HttpResponse implements DurableHttpResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: string;

  constructor({ statusCode, headers, content }: HttpActivityResponse) {
    this.statusCode = statusCode;
    this.headers = headers;
    this.content = content;
  }

  getHeader(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return Object.entries(this.headers).find(([header]) => header.toLowerCase() === wanted)?.[1];
  }
}
