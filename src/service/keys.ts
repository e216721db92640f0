/** `perdure keys`: works on the database of a service, which need not run. */
import type { KeysRequest } from '../cli/commands/keys.ts';
import { readDuration, readHubConfig } from '../config.ts';
import { type AccessKey, type Scope, scopes } from '../model/access.ts';
import { createTaskHub, type TaskHub } from '../task-hub.ts';
import { withDatabase } from './database-access.ts';
import { ownOrigin } from './own-origin.ts';
import { StartupError } from './startup-error.ts';

/** @throws ConfigError, StartupError, EmbeddedPostgresError, DurableError with a line for people */
export async function manageKeys(request: KeysRequest): Promise<void> {
  const config = readHubConfig({ flags: request });
  await withDatabase(config, { makesTables: false }, async ({ databaseUrl, directDatabaseUrl }) => {
    const hub = createTaskHub({
      databaseUrl,
      ...(directDatabaseUrl === undefined ? {} : { directDatabaseUrl }),
      schema: config.schema,
      migrate: false,
      worker: false,
    });
    try {
      await hub.start();
      process.stdout.write(`${await perform(hub, request)}\n`);
    } finally {
      await hub.stop();
    }
  });
}

/** @returns what to print */
async function perform({ access }: TaskHub, request: KeysRequest): Promise<string> {
  const origin = ownOrigin();
  switch (request.action) {
    case 'create': {
      const expiry = request.expires === undefined ? {} : { expiresInMs: readDuration('--expires', request.expires) };
      const { name } = request;
      const value = await access.createKey({ name, scopes: scopesOf(request.scopes), ...expiry }, origin);
      return shown(request, { name, value });
    }
    case 'list': {
      const keys = await access.listKeys();
      return request.json === true ? JSON.stringify(keys) : table(keys);
    }
    case 'rotate': {
      const { name } = request;
      return shown(request, { name, value: await access.rotateKey(name, graceOf(request), origin) });
    }
    case 'revoke':
      await access.revokeKey(request.name, origin);
      return request.json === true ? JSON.stringify({ name: request.name }) : `'${request.name}' is revoked.`;
    case 'rotate-links':
      await access.rotateSigningSecret(graceOf(request), origin);
      return request.json === true ? '{}' : 'Links are signed with a new secret.';
  }
}

/** The key alone goes to standard output, so that scripts can take it. */
function shown(request: KeysRequest, key: { readonly name: string; readonly value: string }): string {
  if (request.json === true) return JSON.stringify(key);
  process.stderr.write(`The key '${key.name}'. It is shown only now and stored nowhere:\n`);
  return key.value;
}

function graceOf({ grace }: { readonly grace?: string }): { readonly graceMs?: number } {
  return grace === undefined ? {} : { graceMs: readDuration('--grace', grace) };
}

function scopesOf(list: string): readonly Scope[] {
  return list.split(',').map((word) => {
    const found = scopes.find((scope) => scope === word.trim().toLowerCase());
    if (found === undefined) throw new StartupError(`--scopes knows ${scopes.join(', ')}, not '${word}'.`);
    return found;
  });
}

function table(keys: readonly AccessKey[]): string {
  if (keys.length === 0) return 'There are no named keys.';
  const rows = keys.map((key) => [
    key.name,
    key.scopes.join(','),
    day(key.createdAt),
    day(key.rotatedAt),
    day(key.expiresAt),
  ]);
  const all = [['NAME', 'SCOPES', 'CREATED', 'ROTATED', 'EXPIRES'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function day(date: Date | null): string {
  return date === null ? '-' : date.toISOString().slice(0, 10);
}
