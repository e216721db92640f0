/** One instance, for people. */
import type { OrchestrationInstance } from '../model/instance.ts';
import { isTerminal } from '../model/instance.ts';
import { shorten, visible, type Printer } from './printer.ts';
import { inWords } from '../model/duration.ts';

const mostOfAPayload = 2_000;

export function showInstance(printer: Printer, instance: OrchestrationInstance): void {
  const { version, tags, scheduledStartAt, parent, customStatus, input, output, failure } = instance;
  const { createdAt, completedAt, lastUpdatedAt, runtimeStatus } = instance;
  const took = completedAt === null ? '' : ` after ${inWords(completedAt.getTime() - createdAt.getTime())}`;
  const pairs: (readonly [string, string] | undefined)[] = [
    ['instance', visible(instance.instanceId)],
    ['orchestration', visible(instance.name)],
    ['status', `${printer.status(runtimeStatus)}${printer.isTerminal ? took : ''}`],
    version === null ? undefined : ['version', visible(version)],
    tags === null ? undefined : ['tags', tagText(tags)],
    parent === null ? undefined : ['parent', visible(parent.instanceId)],
    ['created', printer.whenExactly(createdAt)],
    scheduledStartAt === null ? undefined : ['starts', printer.whenExactly(scheduledStartAt)],
    completedAt === null
      ? ['last updated', printer.whenExactly(lastUpdatedAt)]
      : ['completed', printer.whenExactly(completedAt)],
    customStatus === null ? undefined : ['custom status', payload(customStatus)],
    input === null ? undefined : ['input', payload(input)],
    output === null || failure !== null ? undefined : ['output', payload(output)],
    failure === null
      ? undefined
      : ['failure', printer.colours.red(visible(`${failure.errorType}: ${failure.message}`))],
  ];
  printer.fields(pairs.filter((pair) => pair !== undefined));
}

function payload(text: string): string {
  return visible(shorten(text, mostOfAPayload));
}

export function tagText(tags: Readonly<Record<string, string>>): string {
  return visible(
    Object.entries(tags)
      .map(([name, value]) => `${name}=${value}`)
      .join(', '),
  );
}

export function hasMore({ runtimeStatus }: OrchestrationInstance): boolean {
  return !isTerminal(runtimeStatus);
}
