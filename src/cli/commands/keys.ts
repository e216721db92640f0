import { Command, Option } from 'commander';
import { onDatabase } from './hub-flags.ts';

/** Where the keys are kept. */
export interface KeyStoreFlags {
  readonly databaseUrl?: string;
  readonly directDatabaseUrl?: string;
  readonly dataDir?: string;
  readonly schema?: string;
  readonly json?: boolean;
}

/** What `perdure keys` was asked to do. */
export type KeysRequest = KeyStoreFlags &
  (
    | { readonly action: 'create'; readonly name: string; readonly scopes: string; readonly expires?: string }
    | { readonly action: 'list' }
    | { readonly action: 'rotate'; readonly name: string; readonly grace?: string }
    | { readonly action: 'revoke'; readonly name: string }
    | { readonly action: 'rotate-links'; readonly grace?: string }
  );

/** `perdure keys …`: named keys of the HTTP API, straight in the database. */
export function keysCommand(run: (request: KeysRequest) => Promise<void>): Command {
  const grace = () => new Option('--grace <time>', 'how long what was good before stays good (default: not at all)');
  return new Command('keys')
    .summary('create, list, rotate and revoke keys of the HTTP API')
    .description('Keys of the HTTP API. Changes count in every running process within seconds.')
    .addCommand(
      onStore(new Command('create'))
        .summary('create a key and print it, once')
        .argument('<name>', "letters, digits, '.', '_' and '-'")
        .requiredOption('--scopes <list>', 'read, write, admin, separated by commas')
        .option('--expires <time>', 'refuse it after that time, such as 90d (default: never)')
        .action((name: string, flags: KeyStoreFlags & { readonly scopes: string; readonly expires?: string }) =>
          run({ ...flags, action: 'create', name }),
        ),
    )
    .addCommand(
      onStore(new Command('list'))
        .summary('list keys')
        .action((flags: KeyStoreFlags) => run({ ...flags, action: 'list' })),
    )
    .addCommand(
      onStore(new Command('rotate'))
        .summary('give a key a new value and print it, once')
        .argument('<name>')
        .addOption(grace())
        .action((name: string, flags: KeyStoreFlags & { readonly grace?: string }) =>
          run({ ...flags, action: 'rotate', name }),
        ),
    )
    .addCommand(
      onStore(new Command('revoke'))
        .summary('refuse a key from now on')
        .argument('<name>')
        .action((name: string, flags: KeyStoreFlags) => run({ ...flags, action: 'revoke', name })),
    )
    .addCommand(
      onStore(new Command('rotate-links'))
        .summary('sign links with a new secret')
        .addOption(grace())
        .action((flags: KeyStoreFlags & { readonly grace?: string }) => run({ ...flags, action: 'rotate-links' })),
    );
}

function onStore(command: Command): Command {
  return onDatabase(command).option('--json', 'print JSON');
}
