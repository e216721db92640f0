/** External events as values: a name with the type of its payload, and a schema if there is one. */
import { requireSchema, type Schema } from './schema.ts';

const brand: unique symbol = Symbol.for('perdure.definition');

/**
 * An external event that orchestrations wait for and clients raise.
 * @typeParam Payload what is raised
 * @typeParam Value what the orchestrator gets: the payload after the schema's defaults and transformations
 */
export interface EventDefinition<Payload, Value = Payload> {
  readonly [brand]: 'event';
  readonly name: string;
  readonly schema: Schema<Payload, Value> | undefined;
}

/**
 * Names an event and says what its payload is: `defineEvent<Approval>('Approval')`, or with a schema, which is checked.
 * @param name compared without case. 1 to 256 characters, none of them a control character
 * @param schema must be synchronous
 * @throws TypeError for a name that no event can have, or what is no schema
 */
export function defineEvent<Payload, Value = Payload>(
  name: string,
  schema?: Schema<Payload, Value>,
): EventDefinition<Payload, Value> {
  if (typeof name !== 'string' || name.length === 0 || name.length > 256 || /\p{Cc}/u.test(name)) {
    throw new TypeError(
      'defineEvent(name): the name must be a text of 1 to 256 characters, none of them a control character.',
    );
  }
  requireSchema(`defineEvent('${name}', schema): schema`, schema);
  return { [brand]: 'event', name, schema };
}

/** Whether it is an event made by {@link defineEvent}, also one of another copy of this package. */
export function isEventDefinition(value: unknown): value is EventDefinition<unknown, unknown> {
  return typeof value === 'object' && value !== null && brand in value && value[brand] === 'event';
}
