/** The body of an answer as text, and no more of it than is allowed. */
import type { Readable, Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** What has to be known of the answer. */
export interface BodyDescription {
  readonly body: Readable;
  /** What the server says of its length. */
  readonly declaredBytes: number;
  readonly contentEncoding: string | undefined;
  readonly contentType: string | undefined;
  readonly maxBytes: number;
}

/** The answer is larger than the setting allows; it would be so again. */
export class ResponseTooLargeError extends Error {
  override readonly name = 'HttpResponseTooLargeError';
  readonly isNonRetriable = true;

  constructor(maxBytes: number) {
    super(
      `The response has more than ${maxBytes} bytes. Raise --http-max-response-bytes (PERDURE_HTTP_MAX_RESPONSE_BYTES), ` +
        'or get it in an activity of your own: what callHttp gets is stored in the history.',
    );
  }
}

/**
 * Reads to the end. Counted is what comes out of the decompression, so that a small answer cannot become a huge one.
 * @throws ResponseTooLargeError
 */
export async function readText(description: BodyDescription): Promise<string> {
  const { body, declaredBytes, contentEncoding, contentType, maxBytes } = description;
  // Whoever reads gets the error; a body that nobody reads any more must not end the process with it.
  body.on('error', () => undefined);
  const decoder = decoderOf(contentEncoding);
  const source: AsyncIterable<Buffer> = decoder === undefined ? body : decoded(body, decoder);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    if (declaredBytes > maxBytes) throw new ResponseTooLargeError(maxBytes);
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new ResponseTooLargeError(maxBytes);
      chunks.push(chunk);
    }
  } finally {
    // Without it the connection would wait for somebody to read the rest.
    body.destroy();
  }
  return toText(Buffer.concat(chunks), contentType);
}

/** None is asked for; some servers compress all the same. */
function decoderOf(contentEncoding: string | undefined): Transform | undefined {
  switch (contentEncoding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      return undefined;
  }
}

function decoded(body: Readable, decoder: Transform): AsyncIterable<Buffer> {
  body.once('error', (error) => decoder.destroy(error));
  return body.pipe(decoder);
}

function toText(bytes: Buffer, contentType: string | undefined): string {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes); // a charset that nobody knows
  }
}
