import { Command } from 'commander';
import { countsCommand } from './commands/counts.ts';
import { doctorCommand, type ExamineDatabase } from './commands/doctor.ts';
import { entitiesCommand } from './commands/entities.ts';
import { exportCommand, type ExportRequest } from './commands/export.ts';
import { explainCommand } from './commands/explain.ts';
import { historyCommand } from './commands/history.ts';
import { importCommand, type ImportRequest } from './commands/import.ts';
import { keysCommand, type KeysRequest } from './commands/keys.ts';
import { listCommand } from './commands/list.ts';
import { migrateCommand, type MigrateRequest } from './commands/migrate.ts';
import { purgeCommand } from './commands/purge.ts';
import { raiseEventCommand } from './commands/raise-event.ts';
import { restartCommand } from './commands/restart.ts';
import { resumeCommand } from './commands/resume.ts';
import { retentionCommand, type RetentionRequest } from './commands/retention.ts';
import { rewindCommand } from './commands/rewind.ts';
import { signalEntityCommand } from './commands/signal-entity.ts';
import { startCommand, type StartRequest } from './commands/start.ts';
import { startNewCommand } from './commands/start-new.ts';
import { statusCommand } from './commands/status.ts';
import { suspendCommand } from './commands/suspend.ts';
import { terminateCommand } from './commands/terminate.ts';
import { waitCommand } from './commands/wait.ts';
import { addCompletion } from './completion.ts';
import type { Surroundings } from './surroundings.ts';

/** What the commands do; given from outside, so that the command line knows neither HTTP nor the worker. */
export interface CliActions {
  start(request: StartRequest): Promise<void>;
  keys(request: KeysRequest): Promise<void>;
  migrate(request: MigrateRequest): Promise<void>;
  retention(request: RetentionRequest): Promise<void>;
  export(request: ExportRequest): Promise<void>;
  import(request: ImportRequest): Promise<void>;
  readonly examineDatabase: ExamineDatabase;
}

/** The command line `perdure`; it throws what it has to say of bad usage, for `run`. */
export function createProgram(actions: CliActions, version: string, at: Surroundings): Command {
  const program = new Command('perdure')
    .description('Durable orchestrations on Postgres, with the HTTP API of Azure Durable Functions.')
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void at.stdout.write(text),
      writeErr: (text) => void at.stderr.write(text),
      outputError: (text, write) => write(`${usageError(text)} See --help.\n`),
    })
    .showSuggestionAfterError();
  const groups: readonly (readonly [string, readonly Command[]])[] = [
    [
      'Service:',
      [
        startCommand((request) => actions.start(request)),
        doctorCommand(at, (request) => actions.examineDatabase(request)),
        keysCommand((request) => actions.keys(request)),
        migrateCommand((request) => actions.migrate(request)),
        retentionCommand((request) => actions.retention(request)),
        exportCommand((request) => actions.export(request)),
        importCommand((request) => actions.import(request)),
      ],
    ],
    [
      'Instances of a running service:',
      [
        listCommand(at),
        statusCommand(at),
        explainCommand(at),
        historyCommand(at),
        countsCommand(at),
        startNewCommand(at),
        waitCommand(at),
        raiseEventCommand(at),
        suspendCommand(at),
        resumeCommand(at),
        terminateCommand(at),
        rewindCommand(at),
        restartCommand(at),
        purgeCommand(at),
      ],
    ],
    ['Entities of a running service:', [entitiesCommand(at), signalEntityCommand(at)]],
  ];
  for (const [group, commands] of groups) {
    for (const command of commands) program.addCommand(command.helpGroup(group));
  }
  addCompletion(program, at);
  inherit(program);
  return program;
}

/** One line, as all that went wrong is said, with the guess at what was meant. */
function usageError(text: string): string {
  const [what = '', ...guess] = text.trim().split('\n');
  const line = [what.replace(/^error: /, 'perdure: '), ...guess].join(' ');
  return /[.?)]$/.test(line) ? line : `${line}.`;
}

/** Commands that are made apart do not take over what is set on their parent. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    inherit(command);
  }
}
