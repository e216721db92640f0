/** Calls with values, as the calls with JSON text that they come down to; the same for every client. */
import type { SignalOptions } from '../model/entity-functions.ts';
import type { EntityAddress } from '../model/entity-id.ts';
import type { EventDefinition } from '../model/events.ts';
import { refuse, toPayload } from './arguments.ts';
import type { OrchestrationReference, StartOptions, TextStart } from './client.ts';
import { checkPayload } from './declared-values.ts';
import type { TextSignal } from './entity-client.ts';

/** The version is that of the options, else of the definition. @throws DurableError `InvalidArgument` */
export function toTextStart<Input>(
  orchestration: OrchestrationReference<Input>,
  options: StartOptions<Input>,
): TextStart {
  const { name, version: own } =
    typeof orchestration === 'string' ? { name: orchestration, version: undefined } : orchestration;
  const { input: value, ...settings } = options;
  const input = toPayload(value, 'input');
  const version = settings.version ?? own;
  return {
    ...settings,
    name,
    ...(input === undefined ? {} : { input }),
    ...(version === undefined ? {} : { version }),
  };
}

/** @throws DurableError `InvalidArgument`, also for data that the definition refuses */
export function toTextEvent(
  event: EventDefinition<unknown, unknown> | string,
  value: unknown,
): { readonly name: string; readonly data: string | undefined } {
  const data = toPayload(value, 'data of the event');
  if (typeof event === 'string') return { name: event, data };
  checkPayload(event, data);
  return { name: event.name, data };
}

/** @param rest input and options @throws DurableError `InvalidArgument` */
export function toTextSignal(entity: EntityAddress, operation: string, rest: readonly unknown[]): TextSignal {
  const [value, options] = rest;
  const input = toPayload(value, `input of operation '${operation}'`);
  const { scheduledTime }: SignalOptions = typeof options === 'object' && options !== null ? options : {};
  if (scheduledTime !== undefined && !(scheduledTime instanceof Date)) refuse('scheduledTime must be a Date.');
  return {
    entity,
    operation,
    ...(input === undefined ? {} : { input }),
    ...(scheduledTime === undefined ? {} : { scheduledTime }),
  };
}
