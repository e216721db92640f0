/** What is said of an instance that is not there: a typing mistake is the likeliest cause. */
import type { HttpClient } from '../http-client/index.ts';
import { DurableError } from '../model/errors.ts';
import { CliError, exitCodes } from './exit.ts';
import { visible } from './printer.ts';

const mostShown = 5;
const mostLookedAt = 500;

export async function unknownInstance(client: HttpClient, instanceId: string): Promise<CliError> {
  if (/^@[^@]+@/.test(instanceId)) {
    const id = visible(instanceId);
    return new CliError(
      exitCodes.notFound,
      `'${id}' is the id of an entity, not of an instance: 'perdure entities ${id}' shows it.`,
    );
  }
  const near = await nearMatches(client, instanceId).catch(() => []);
  const hub = client.taskHub === '' ? 'the task hub' : `the task hub '${client.taskHub}'`;
  const hint =
    near.length > 0
      ? `did you mean ${near.join(', ')}?`
      : "'perdure list' shows what there is, --task-hub names another hub.";
  return new CliError(exitCodes.notFound, `there is no instance '${visible(instanceId)}' in ${hub}: ${hint}`);
}

/** Turns "there is no such instance" into a line that helps; other errors stay as they are. */
export async function orUnknown<T>(client: HttpClient, instanceId: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof DurableError && error.code === 'InstanceNotFound')
      throw await unknownInstance(client, instanceId);
    throw error;
  }
}

/** Those that go on where the given text ends, then those that differ in few characters. */
async function nearMatches(client: HttpClient, text: string): Promise<readonly string[]> {
  const longer = await client.getStatusBy({ instanceIdPrefix: text }, { limit: mostShown });
  if (longer.instances.length > 0) return longer.instances.map(({ instanceId }) => visible(instanceId));
  const half = text.slice(0, Math.floor(text.length / 2));
  const { instances } = await client.getStatusBy(half === '' ? {} : { instanceIdPrefix: half }, {
    limit: mostLookedAt,
  });
  const most = Math.max(1, Math.floor(text.length / 4));
  return instances
    .map(({ instanceId }) => ({ instanceId, edits: distance(text.toLowerCase(), instanceId.toLowerCase()) }))
    .filter(({ edits }) => edits <= most)
    .sort((a, b) => a.edits - b.edits)
    .slice(0, mostShown)
    .map(({ instanceId }) => visible(instanceId));
}

/** How many characters must be typed differently (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let index = 0; index < a.length; index += 1) {
    const next = [index + 1];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (b[column - 1] === a[index] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
