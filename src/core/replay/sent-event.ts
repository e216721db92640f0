import type { SendEvent } from '../../model/actions.ts';
import { eventNameProblem, instanceIdProblem } from '../../model/instance.ts';
import { toPayload } from './payload.ts';

/** What `sendEvent` was given. @throws TypeError for what nobody can get */
export function toSentEvent(instanceId: string, name: string, data: unknown): Omit<SendEvent, 'type' | 'id'> {
  const problem = typeof instanceId === 'string' ? instanceIdProblem(instanceId) : 'The instance id must be a text.';
  if (problem !== null) throw new TypeError(`sendEvent(instanceId, …): ${problem}`);
  const nameProblem = eventNameProblem(name);
  if (nameProblem !== null) throw new TypeError(`sendEvent(instanceId, name, …): ${nameProblem}`);
  const input = toPayload(data, `the data of the event '${name}'`);
  return { instanceId, name, ...(input === undefined ? {} : { input }) };
}
