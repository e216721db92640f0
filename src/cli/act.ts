/** Verbs on one instance, on several, or on all that a filter means: one way to ask, to look first, and to report. */
import { Command } from 'commander';
import type { BulkOperation, BulkOptions } from '../http-client/index.ts';
import type { InstanceFilter } from '../model/instance.ts';
import { openProgress } from '../progress.ts';
import { confirmed } from './confirm.ts';
import { CliError, exitCodes } from './exit.ts';
import { filterOf, isEmptyFilter, withFilter, type FilterFlags } from './filters.ts';
import { visible } from './printer.ts';
import { connect, onService, type Connected, type ServiceFlags } from './service.ts';
import { isInteractive, type Surroundings } from './surroundings.ts';
import { orUnknown } from './unknown-instance.ts';

/** Flags of a verb that may be for many. */
export interface ManyFlags extends ServiceFlags, FilterFlags {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

interface VerbFlags extends ManyFlags {
  readonly reason?: string;
  readonly recursive?: boolean;
}

/** A verb in its forms. */
interface Verb {
  readonly operation: BulkOperation;
  readonly summary: string;
  readonly description: string;
  /** `terminated`. */
  readonly done: string;
  /** `terminating`. */
  readonly doing: string;
  readonly recursive?: string;
}

/** How many are acted on between two looks at the progress. */
const pageSize = 500;
/** What a dry run counts at most. */
const mostCounted = 100_000;
const mostListed = 20;

export function forMany(command: Command): Command {
  return withFilter(onService(command))
    .option('--all', 'all instances')
    .option('--dry-run', 'only show what would be done')
    .option('-y, --yes', 'do not ask');
}

/** The command for a verb. */
export function verbCommand(at: Surroundings, verb: Verb): Command {
  const { operation, summary, description, recursive } = verb;
  const command = forMany(new Command(operation))
    .summary(summary)
    .description(`${description} Names instances, or says with filters which; ${operation} --all means every one.`)
    .argument('[instanceId...]', 'instances')
    .option('--reason <text>', 'shown in the history and in the audit log')
    .action((ids: readonly string[], flags: VerbFlags) => act(connect(at, flags), verb, ids, flags));
  return recursive === undefined ? command : command.option('--recursive', recursive);
}

async function act(service: Connected, verb: Verb, ids: readonly string[], flags: VerbFlags): Promise<void> {
  const { reason, recursive } = flags;
  const { client } = service;
  const options = {
    ...(reason === undefined ? {} : { reason }),
    ...(recursive === undefined ? {} : { recursive }),
  };
  const filter = checkTarget(verb.operation, ids, flags);
  if (filter !== undefined) return actOnMany(service, verb, { filter, flags, options });
  await actOnEach(service, ids, {
    dryRun: flags.dryRun === true,
    done: verb.done,
    perform: (id) =>
      verb.operation === 'terminate' ? client.terminate(id, reason, options) : client[verb.operation](id, reason),
  });
}

/**
 * Which instances are meant.
 * @returns a filter, `undefined` when they are named
 * @throws CliError when that is not clear
 */
export function checkTarget(verb: string, ids: readonly string[], flags: ManyFlags): InstanceFilter | undefined {
  const filter = filterOf(flags);
  const isFiltered = flags.all === true || !isEmptyFilter(filter);
  if (ids.length > 0 && isFiltered) {
    throw new CliError(exitCodes.usage, 'name instances or give filters, not both.');
  }
  if (ids.length === 0 && !isFiltered) {
    const text = `say which instances: perdure ${verb} <instanceId>, or filters such as --status and --name, or --all.`;
    throw new CliError(exitCodes.usage, text);
  }
  return isFiltered ? filter : undefined;
}

/** Stops at the first that does not go. */
export async function actOnEach(
  { client, printer, json }: Connected,
  ids: readonly string[],
  verb: { readonly dryRun: boolean; readonly done: string; readonly perform: (id: string) => Promise<unknown> },
): Promise<void> {
  for (const id of ids) {
    if (!verb.dryRun) await orUnknown(client, id, verb.perform(id));
    if (!json) printer.line(`${visible(id)} ${verb.dryRun ? `would be ${verb.done}` : verb.done}`);
  }
  if (json) printer.line(JSON.stringify(report({ dryRun: verb.dryRun, matched: ids.length, ids })));
}

async function actOnMany(
  { client, printer, json, at }: Connected,
  verb: Verb,
  given: { readonly filter: InstanceFilter; readonly flags: ManyFlags; readonly options: BulkOptions },
): Promise<void> {
  const { filter, flags } = given;
  const options: BulkOptions = { ...given.options, all: true };
  const planned = await client.bulk(verb.operation, filter, { ...options, dryRun: true, limit: mostCounted });
  const total = planned.matched;
  const many = amount(total, planned.continuationToken !== undefined);
  if (flags.dryRun === true) {
    if (json) return printer.line(JSON.stringify(report({ dryRun: true, matched: total, ids: planned.instanceIds })));
    for (const id of planned.instanceIds.slice(0, printer.isTerminal ? mostListed : undefined)) {
      printer.line(visible(id));
    }
    if (printer.isTerminal && total > mostListed) printer.line(printer.colours.dim(`… and ${total - mostListed} more`));
    return printer.note(`${many} would be ${verb.done}.`);
  }
  if (total > 0) await askFirst(at, flags, `${verb.operation} ${many}`);
  const progress = await openProgress(at.stderr, verb.doing, total);
  let [matched, accepted, refused] = [0, 0, 0];
  const ids: string[] = [];
  try {
    let continuationToken: string | undefined;
    do {
      const page = { limit: pageSize, ...(continuationToken === undefined ? {} : { continuationToken }) };
      const outcome = await client.bulk(verb.operation, filter, { ...options, ...page, signal: at.signal });
      matched += outcome.matched;
      accepted += outcome.accepted;
      refused += outcome.refused;
      ids.push(...outcome.instanceIds);
      continuationToken = outcome.continuationToken;
      progress.to(matched);
    } while (continuationToken !== undefined);
  } finally {
    progress.stop();
  }
  if (json) return printer.line(JSON.stringify(report({ dryRun: false, matched, refused, ids })));
  const changed = refused === 0 ? '' : `; ${refused} had changed meanwhile and were left alone`;
  printer.line(`${amount(accepted)} ${verb.done}${changed}`);
}

/**
 * Asks on a terminal.
 * @throws CliError when nobody says yes
 */
export async function askFirst(at: Surroundings, flags: ManyFlags, what: string): Promise<void> {
  if (flags.yes === true) return;
  if (!isInteractive(at)) {
    throw new CliError(exitCodes.usage, `this would ${what}: say --yes to do it, --dry-run to look first.`);
  }
  if (await confirmed(at, `${what[0]?.toUpperCase() ?? ''}${what.slice(1)}?`)) return;
  throw new CliError(exitCodes.failed, 'nothing was done.');
}

export function amount(count: number, orMore = false): string {
  return `${count}${orMore ? ' or more' : ''} ${count === 1 ? 'instance' : 'instances'}`;
}

/** What `--json` prints of every verb for many. */
export function report(outcome: {
  readonly dryRun: boolean;
  readonly matched: number;
  readonly refused?: number;
  readonly ids: readonly string[];
}): object {
  const { dryRun, matched, refused = 0, ids } = outcome;
  return { dryRun, matched, done: dryRun ? 0 : matched - refused, refused, instanceIds: ids };
}
