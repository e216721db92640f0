/**
 * Writes `openapi/openapi.json` from the routes. With `--check` it writes nothing and exits 1 when the file is stale. In both
 * cases it says what the linter finds, and exits 1 when that is anything.
 * Run with `npx tsx scripts/write-openapi.ts`.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { LocalAccess } from '../src/client/local-access.ts';
import type { ClientSource, LocalOrchestrationClient } from '../src/client/client.ts';
import { createServer } from '../src/http/server.ts';
import type { RetentionView } from '../src/retention/retention.ts';
import type { AccessStore } from '../src/store/access-store.ts';
import { lintOpenApi } from './lint-openapi.ts';

const file = new URL('../openapi/openapi.json', import.meta.url);

/** The document needs routes only; nobody calls a client. */
const clients: ClientSource = {
  defaultTaskHub: 'default',
  open: () => ({ taskHub: 'default' }) as LocalOrchestrationClient,
  ping: () => Promise.resolve(),
};

const app = await createServer({ clients, access: new LocalAccess({} as AccessStore), retention: {} as RetentionView });
await app.ready();
const fresh = `${JSON.stringify(app.swagger(), null, 2)}\n`;
await app.close();

if (process.argv.includes('--check')) {
  const stored = await readFile(file, 'utf8').catch(() => '');
  if (stored !== fresh) {
    process.stderr.write('openapi/openapi.json is stale: run npx tsx scripts/write-openapi.ts\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(file, fresh);
}

for (const problem of await lintOpenApi(fresh)) {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
