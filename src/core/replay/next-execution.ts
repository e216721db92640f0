import type { EndingAction } from '../../model/actions.ts';
import type { ContinueAsNewOptions } from '../../model/call-options.ts';
import type { EventRaised } from '../../model/history.ts';
import { versionProblem } from '../../model/instance.ts';
import { toPayload } from './payload.ts';

/** What `continueAsNew` asks for. */
export interface NextExecution {
  readonly input?: string;
  readonly version?: string;
  readonly preserveUnprocessedEvents: boolean;
}

/** @throws TypeError for an input or options that cannot be */
export function toNextExecution(
  name: string,
  input: unknown,
  { preserveUnprocessedEvents = true, version }: ContinueAsNewOptions,
): NextExecution {
  if (typeof preserveUnprocessedEvents !== 'boolean') {
    throw new TypeError('continueAsNew(input, options): preserveUnprocessedEvents must be true or false.');
  }
  const problem = version === undefined ? null : versionProblem(version);
  if (problem !== null) throw new TypeError(`continueAsNew(input, options): ${problem}`);
  const payload = toPayload(input, `the input of the next execution of orchestration '${name}'`);
  return {
    preserveUnprocessedEvents,
    ...(payload === undefined ? {} : { input: payload }),
    ...(version === undefined ? {} : { version }),
  };
}

/** An end that continues as new takes with it what nobody has taken. */
export function withEvents(completion: EndingAction, events: { readonly kept: readonly EventRaised[] }): EndingAction {
  return completion.type === 'ContinueAsNew' ? { ...completion, carriedEvents: events.kept } : completion;
}
