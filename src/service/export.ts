/** `perdure export`: instances as JSON Lines, to standard output or a new file. */
import { open } from 'node:fs/promises';
import type { ExportRequest } from '../cli/commands/export.ts';
import { openProgress } from '../progress.ts';
import { instancesWere } from './counted.ts';
import { withHub } from './hub-access.ts';
import { StartupError } from './startup-error.ts';

/** @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError with a line for people */
export async function exportToFile(request: ExportRequest): Promise<void> {
  const { filter } = request;
  const instanceIds = request.instance ?? [];
  if (instanceIds.length > 0 && Object.keys(filter).length > 0) {
    throw new StartupError('--instance names instances, the other filters look for them: give one or the other.');
  }
  const count = await withHub(request, async (tools) => {
    const total = instanceIds.length || (process.stderr.isTTY ? await tools.count(filter) : 0);
    const progress = await openProgress(process.stderr, 'exported', total);
    const output = request.output === undefined ? standardOutput() : await newFile(request.output);
    try {
      const done = await tools.exportInstances({
        instanceIds,
        filter,
        history: request.withHistory === true,
        write: output.write,
        onProgress: (instances) => progress.to(instances),
      });
      await output.end();
      return done;
    } finally {
      progress.stop();
      await output.close();
    }
  });
  process.stderr.write(
    request.json === true ? `${JSON.stringify({ exported: count })}\n` : `${instancesWere(count)} exported.\n`,
  );
}

interface Output {
  readonly write: (text: string) => Promise<void>;
  /** Everything is there. */
  readonly end: () => Promise<void>;
  readonly close: () => Promise<void>;
}

function standardOutput(): Output {
  const nothing = () => Promise.resolve();
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
      }),
    end: nothing,
    close: nothing,
  };
}

async function newFile(path: string): Promise<Output> {
  const file = await open(path, 'ax').catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartupError(`--output ${path} cannot be written (${reason}): name a file that is not there yet.`, {
      cause,
    });
  });
  return { write: (text) => file.appendFile(text), end: () => file.sync(), close: () => file.close() };
}
