/** `perdure import`: brings back what was exported. */
import { open } from 'node:fs/promises';
import type { ImportRequest } from '../cli/commands/import.ts';
import type { ImportSum } from '../archive/import.ts';
import { openProgress } from '../progress.ts';
import { instancesWere } from './counted.ts';
import { withHub } from './hub-access.ts';
import { StartupError } from './startup-error.ts';

/** @throws ConfigError, StartupError, ImportError, EmbeddedPostgresError, DurableError with a line for people */
export async function importFromFile(request: ImportRequest): Promise<void> {
  const input = request.file === '-' ? { size: 0, chunks: process.stdin } : await openFile(request.file);
  const progress = await openProgress(process.stderr, 'bytes read', input.size);
  const sum = await withHub(
    request,
    (tools) =>
      tools.importInstances({
        chunks: counted(input.chunks, (bytes) => progress.to(bytes)),
        onTaken: request.existing ?? 'skip',
        onLive: request.skipLive === true ? 'skip' : 'refuse',
      }),
    // What is brought back may come into an empty database.
    { makesTables: true },
  ).finally(() => progress.stop());
  process.stdout.write(`${request.json === true ? JSON.stringify(sum) : textOf(sum)}\n`);
}

function textOf({ imported, present, taken, live }: ImportSum): string {
  const parts = [
    `${instancesWere(imported)} imported`,
    ...(present === 0 ? [] : [`${present} ${present === 1 ? 'was' : 'were'} there already`]),
    ...(taken === 0 ? [] : [`${taken} were left out because another instance has their id`]),
    ...(live === 0 ? [] : [`${live} were left out because they had not ended`]),
  ];
  return `${parts.join(', ')}.`;
}

async function openFile(path: string) {
  try {
    const file = await open(path, 'r');
    const { size } = await file.stat();
    // Closes the file at its end.
    return { size, chunks: file.createReadStream() };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartupError(`${path} cannot be read (${reason}).`, { cause });
  }
}

async function* counted(chunks: AsyncIterable<unknown>, read: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    const buffer = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    bytes += buffer.length;
    read(bytes);
    yield buffer;
  }
}
