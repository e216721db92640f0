import { Command } from 'commander';
import { exportCommand, type ExportRequest } from './commands/export.ts';
import { importCommand, type ImportRequest } from './commands/import.ts';
import { keysCommand, type KeysRequest } from './commands/keys.ts';
import { retentionCommand, type RetentionRequest } from './commands/retention.ts';
import { startCommand, type StartRequest } from './commands/start.ts';

/** What the commands do; given from outside, so that the command line knows neither HTTP nor the worker. */
export interface CliActions {
  start(request: StartRequest): Promise<void>;
  keys(request: KeysRequest): Promise<void>;
  retention(request: RetentionRequest): Promise<void>;
  export(request: ExportRequest): Promise<void>;
  import(request: ImportRequest): Promise<void>;
}

/** The command line `perdure`. */
export function createProgram(actions: CliActions, version: string): Command {
  return new Command('perdure')
    .description('Durable orchestrations on Postgres, with the HTTP API of Azure Durable Functions.')
    .version(version)
    .showSuggestionAfterError()
    .showHelpAfterError('(perdure --help or perdure start --help shows what there is)')
    .addCommand(startCommand((request) => actions.start(request)))
    .addCommand(keysCommand((request) => actions.keys(request)))
    .addCommand(retentionCommand((request) => actions.retention(request)))
    .addCommand(exportCommand((request) => actions.export(request)))
    .addCommand(importCommand((request) => actions.import(request)));
}
