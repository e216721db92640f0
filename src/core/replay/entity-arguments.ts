/** Arguments of calls about entities, checked: callers may be JavaScript. */
import { EntityId, entityIdProblem, type EntityAddress } from '../../model/entity-id.ts';

/**
 * An id that user code gave; one of another copy of this package, or an object with `name` and `key`, will do.
 * @throws TypeError when it is none
 */
export function toEntityId(called: string, value: unknown): EntityAddress {
  if (value instanceof EntityId) return value;
  if (typeof value !== 'object' || value === null || !('name' in value) || !('key' in value)) {
    throw new TypeError(`${called}(entity, …): the first argument must be the id of an entity, as counter.id('a').`);
  }
  const { name, key } = value;
  const problem = entityIdProblem(name, key);
  if (problem !== null) throw new TypeError(`${called}(entity, …): ${problem}`);
  return new EntityId(String(name), String(key));
}

/** When a signal is due, from its options: milliseconds since 1970. @throws TypeError for an invalid date */
export function toSignalTime(options: unknown): number | undefined {
  if (typeof options !== 'object' || options === null || !('scheduledTime' in options)) return undefined;
  const { scheduledTime } = options;
  if (scheduledTime === undefined) return undefined;
  if (scheduledTime instanceof Date && !Number.isNaN(scheduledTime.getTime())) return scheduledTime.getTime();
  throw new TypeError('scheduledTime is not a valid date.');
}

/** @throws TypeError for what is no name; the empty one may be used */
export function checkOperationName(operation: unknown): void {
  if (typeof operation !== 'string' || operation.length > 256 || operation.includes('\u0000')) {
    throw new TypeError('The name of an operation must be a text of at most 256 characters without U+0000.');
  }
}
