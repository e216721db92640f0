/**
 * Completion in shells: scripts and the way of asking come from @bomb.sh/tab, which reads them off the commands; what only a
 * running service knows is added here.
 */
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { readClientConfig } from '../client-config.ts';
import { createHttpClient, type HttpClient } from '../http-client/index.ts';
import type { Surroundings } from './surroundings.ts';

/** Somebody waits with a finger on the key: what does not come by then is left out. */
const timeoutMs = 1_000;
const mostShown = 100;
const mostLookedAt = 200;
/** "Complete file names instead", of the protocol between script and program. */
const completeFiles = ':0\n';

type Found = readonly string[];
/** What of a service fits the place, given what is typed there. */
type Source = (client: HttpClient, typed: string) => Promise<Found>;

const byArgument: Readonly<Record<string, Source>> = {
  instanceId: async (client, typed) => {
    const { instances } = await client.getStatusBy({ instanceIdPrefix: typed }, { limit: mostShown });
    return instances.map(({ instanceId }) => instanceId);
  },
  entityId: async (client, typed) => {
    const filter = /^@[^@]/.test(typed) ? { instanceIdPrefix: typed } : {};
    const { entities } = await client.listEntities(filter, { limit: mostShown });
    return entities.map(({ instanceId }) => instanceId);
  },
  orchestration: (client) => names(client),
};

/** Of those that were started lately: all that there are would need a look at everything. */
async function names(client: HttpClient): Promise<Found> {
  const { instances } = await client.getStatusBy({ createdFrom: new Date(0) }, { limit: mostLookedAt });
  return [...new Set(instances.map(({ name }) => name))];
}

/** Adds `perdure completion`, and the hidden `perdure complete` that its scripts call. */
export function addCompletion(program: Command, at: Surroundings): void {
  const known = tab(program, { completionCommandName: 'completion' });
  const find = (name: string): Command | undefined => program.commands.find((command) => command.name() === name);
  find('completion')
    ?.summary('print a script that completes in your shell')
    .description(
      'Prints a script that completes commands, flags, instance ids and names: see docs/cli.md for where it goes.',
    );
  find('complete')?.action(async (words: readonly string[]) => {
    const [name = ''] = words;
    const typed = words.at(-1) ?? '';
    const command = words.length > 1 ? find(name) : undefined;
    const isPath = command?.registeredArguments.some((argument) => argument.name() === 'module') === true;
    if (isPath && !typed.startsWith('-')) return void at.stdout.write(completeFiles);
    for (const argument of command?.registeredArguments ?? []) {
      const source = byArgument[argument.name()];
      const place = known.commands.get(name)?.arguments.get(argument.name());
      if (source === undefined || place === undefined || typed.startsWith('-')) continue;
      const found = await ask(at, words, (client) => source(client, typed));
      place.handler = (complete) => found.forEach((one) => complete(one, ''));
    }
    known.parse([...words]);
  });
}

/** Nothing, when the service does not answer: a shell shows no errors while somebody types. */
async function ask(
  at: Surroundings,
  words: readonly string[],
  look: (client: HttpClient) => Promise<Found>,
): Promise<Found> {
  const flag = (name: string): string | undefined => {
    const index = words.lastIndexOf(name);
    return index < 0 ? undefined : words[index + 1];
  };
  const [url, code, taskHub] = [flag('--url'), flag('--code'), flag('--task-hub')];
  try {
    const flags = {
      ...(url === undefined ? {} : { url }),
      ...(code === undefined ? {} : { code }),
      ...(taskHub === undefined ? {} : { taskHub }),
    };
    const config = readClientConfig({ flags, env: at.env });
    const client = createHttpClient({
      url: config.url,
      retries: 0,
      timeoutMs,
      ...(config.key === undefined ? {} : { key: config.key }),
      ...(config.taskHub === undefined ? {} : { taskHub: config.taskHub }),
    });
    return await look(client);
  } catch {
    return [];
  }
}
