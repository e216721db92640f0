import { Command } from 'commander';
import { DurableError } from '../../model/errors.ts';
import { fail, ok, warn, type Finding } from '../../model/finding.ts';
import { CliError, exitCodes } from '../exit.ts';
import { Printer } from '../printer.ts';
import { connect, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';

/** What `perdure doctor` was asked to look at. */
export interface DoctorRequest extends ServiceFlags {
  readonly databaseUrl?: string;
  readonly directDatabaseUrl?: string;
  readonly dataDir?: string;
  readonly schema?: string;
}

/** @returns `undefined` when no database is named */
export type ExamineDatabase = (request: DoctorRequest) => Promise<readonly Finding[] | undefined>;

const maxClockDifferenceMs = 5_000;

/** `perdure doctor`. */
export function doctorCommand(at: Surroundings, examineDatabase: ExamineDatabase): Command {
  return new Command('doctor')
    .summary('look a database and a service over')
    .description(
      'Looks over the database, and with --url a running service: what weakens the promises, and what keeps work from being done. Changes nothing. Exit code 1 when something fails.',
    )
    .option(
      '--database-url <url>',
      'the database of the service [DATABASE_URL] (default: the embedded one, if a service runs it here)',
    )
    .option('--direct-database-url <url>', 'the same without the pooler [DIRECT_DATABASE_URL]')
    .option('--data-dir <folder>', 'data of the embedded Postgres [PERDURE_DATA_DIR] (default: .perdure)')
    .option('--schema <name>', 'Postgres schema of the tables [PERDURE_SCHEMA] (default: perdure)')
    .option('--url <url>', 'a running service [PERDURE_URL]')
    .option('--code <key>', 'key of the service [PERDURE_CODE or PERDURE_CODE_FILE]')
    .option('--json', 'print JSON')
    .action(async (flags: DoctorRequest) => {
      const ofDatabase = await examineDatabase(flags);
      const isServiceNamed = flags.url !== undefined || (at.env['PERDURE_URL'] ?? '') !== '';
      if (ofDatabase === undefined && !isServiceNamed) {
        const text =
          'say what to look at: --database-url (DATABASE_URL), or --url (PERDURE_URL) for a running service.';
        throw new CliError(exitCodes.usage, text);
      }
      const findings = [
        ok('node', `Node.js ${process.versions.node}`),
        ...(ofDatabase ?? []),
        ...(isServiceNamed ? await examineService(at, flags) : []),
      ];
      show(new Printer(at), findings, flags.json === true);
      const failures = findings.filter(({ level }) => level === 'fail').length;
      if (failures > 0)
        throw new CliError(
          exitCodes.failed,
          flags.json === true ? '' : `${failures} of ${findings.length} checks failed.`,
        );
    });
}

function show(printer: Printer, findings: readonly Finding[], json: boolean): void {
  if (json) {
    const isOk = findings.every(({ level }) => level !== 'fail');
    return printer.line(JSON.stringify({ ok: isOk, findings }));
  }
  const { colours } = printer;
  const colour = { ok: colours.green, warn: colours.yellow, fail: colours.red };
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, level, text, fix } of findings) {
    printer.line(`${colour[level](level.padEnd(4))}  ${check.padEnd(width)}  ${text}`);
    if (fix !== undefined) printer.line(`${' '.repeat(width + 8)}${colours.dim('→')} ${fix}`);
  }
}

async function examineService(at: Surroundings, flags: DoctorRequest): Promise<readonly Finding[]> {
  const { client, url } = connect(at, flags);
  const begun = performance.now();
  const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
  if (ready === undefined) {
    return [fail('service', `${url} does not answer`, "start it with 'perdure start', or say where it is with --url")];
  }
  const tookMs = Math.round(performance.now() - begun);
  const findings: Finding[] = [
    ready.ok
      ? ok('service', `${url} is ready, and answered after ${tookMs} ms`)
      : fail(
          'service',
          `${url} answers with ${ready.status}: it is not ready`,
          'its log says why; mostly it has no database',
        ),
  ];
  const date = Date.parse(ready.headers.get('date') ?? '');
  if (!Number.isNaN(date) && Math.abs(date - Date.now()) > maxClockDifferenceMs + 1_000) {
    const text = `the clock of the service is ${Math.round(Math.abs(date - Date.now()) / 1_000)} s off`;
    findings.push(warn('service-clock', text, 'let NTP set both'));
  }
  try {
    await client.getStatusBy({}, { limit: 1 });
    findings.push(ok('key', 'the service lets this caller read'));
  } catch (error) {
    if (!(error instanceof DurableError)) throw error;
    findings.push(fail('key', error.message, 'give a key with --code (PERDURE_CODE)'));
  }
  return findings;
}
