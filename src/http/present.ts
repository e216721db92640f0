/**
 * Instances as the wire shows them, as JSON text. Stored payloads are embedded as they are (A7): parsing and writing
 * them again would lose large numbers and cost most of a status query.
 */
import type { CompletedHere } from '../client/client.ts';
import { assertNever } from '../model/errors.ts';
import { isTerminal, type OrchestrationInstance } from '../model/instance.ts';
import { payloadText, presentFreeText } from './payload-text.ts';
import { presentHistory } from './present-history.ts';

/** What a request wants to see. */
export interface Shown {
  readonly input: boolean;
  readonly history: boolean;
  readonly historyOutput: boolean;
}

/** The status payload (http-api.md 2.4), fields in its order. */
export function presentStatus(instance: OrchestrationInstance, shown: Shown): string {
  return `${presentFields(instance, shown)}${presentEvents(instance, shown)}}`;
}

function presentFields(instance: OrchestrationInstance, shown: Shown): string {
  return (
    `{"name":${JSON.stringify(instance.name)}` +
    `,"instanceId":${JSON.stringify(instance.instanceId)}` +
    `,"runtimeStatus":"${instance.runtimeStatus}"` +
    `,"input":${shown.input ? payloadText(instance.input) : 'null'}` +
    `,"customStatus":${payloadText(instance.customStatus)}` +
    `,"output":${presentOutput(instance)}` +
    `,"createdTime":"${wholeSeconds(instance.createdAt)}"` +
    `,"lastUpdatedTime":"${wholeSeconds(instance.lastUpdatedAt)}"` +
    presentSettings(instance)
  );
}

/** What Azure does not show; left out, so that its payload stays the same, unless the start said something. */
function presentSettings({ version, tags, scheduledStartAt }: OrchestrationInstance): string {
  return (
    (version === null ? '' : `,"version":${JSON.stringify(version)}`) +
    (tags === null ? '' : `,"tags":${JSON.stringify(tags)}`) +
    (scheduledStartAt === null ? '' : `,"scheduledStartTime":"${wholeSeconds(scheduledStartAt)}"`)
  );
}

/** Left out, not null, when nobody asked for it or nothing has happened yet. */
function presentEvents(instance: OrchestrationInstance, shown: Shown): string {
  if (!shown.history || instance.history === undefined || instance.runtimeStatus === 'Pending') return '';
  return `,"historyEvents":${presentHistory(instance.history, shown)}`;
}

/** The output as JSON text; also the body of a start that waited. */
export function presentOutput(instance: OrchestrationInstance | CompletedHere): string {
  switch (instance.runtimeStatus) {
    case 'Pending':
    case 'Running':
    case 'Suspended':
      return 'null';
    case 'Completed':
      return payloadText(instance.output);
    case 'Failed':
      return instance.failure === null
        ? presentFreeText(instance.output)
        : JSON.stringify(`${instance.failure.errorType}: ${instance.failure.message}`);
    case 'Terminated':
    case 'Canceled':
      return presentFreeText(instance.output);
    default:
      return assertNever(instance);
  }
}

/** Whether a status query answers 202 (poll again) or 200. */
export function hasEnded(instance: Pick<OrchestrationInstance, 'runtimeStatus'>): boolean {
  return isTerminal(instance.runtimeStatus);
}

function wholeSeconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
