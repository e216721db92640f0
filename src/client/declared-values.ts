/**
 * What the orchestrations of this process declare about values that come from outside: a start or an event that does not
 * fit is refused where it comes in, and nothing is stored. What is stored is what was sent.
 */
import { DurableError } from '../model/errors.ts';
import type { EventDefinition } from '../model/events.ts';
import { isOrchestration, type FunctionDefinition, type OrchestrationDefinition } from '../model/functions.ts';
import { checkNow, describeIssues, type Schema } from '../model/schema.ts';

type Declared = OrchestrationDefinition<never, unknown>;

export class DeclaredValues {
  readonly #inputs = new Map<string, Declared>();
  /** By the name of the event, then of the orchestration, in lower case; only events with a schema. */
  readonly #events = new Map<string, Map<string, Schema>>();

  constructor(functions: readonly FunctionDefinition[]) {
    for (const definition of functions.filter(isOrchestration)) {
      const name = definition.name.toLowerCase();
      if (definition.schemas.input !== undefined) this.#inputs.set(name, definition);
      for (const event of definition.events) {
        if (event.schema === undefined) continue;
        const key = event.name.toLowerCase();
        const declared = this.#events.get(key) ?? new Map<string, Schema>();
        this.#events.set(key, declared.set(name, event.schema));
      }
    }
  }

  /** @param input JSON text @throws DurableError `InvalidArgument` that says what of it is wrong, and where */
  checkInput(orchestration: string, input: string | undefined): void {
    const schema = this.#inputs.get(orchestration.toLowerCase())?.schemas.input;
    if (schema !== undefined) refuse(schema, input, `The input of orchestration '${orchestration}'`);
  }

  /** Whether an orchestration says what the payload of an event must be. */
  declaresEvent(event: string): boolean {
    return this.#events.size > 0 && this.#events.has(event.toLowerCase());
  }

  /** @throws DurableError `InvalidArgument` */
  checkEvent(target: { readonly orchestration: string; readonly event: string }, data: string | undefined): void {
    const schema = this.#events.get(target.event.toLowerCase())?.get(target.orchestration.toLowerCase());
    if (schema !== undefined) refuse(schema, data, whatOf(target.event));
  }
}

/** @throws DurableError `InvalidArgument` when the event's own schema refuses what is to be raised */
export function checkPayload(event: EventDefinition<unknown, unknown>, data: string | undefined): void {
  if (event.schema !== undefined) refuse(event.schema, data, whatOf(event.name));
}

function whatOf(event: string): string {
  return `The payload of the event '${event}'`;
}

function refuse(schema: Schema, text: string | undefined, what: string): void {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  const checked = checkNow(schema, value, what);
  if (checked.kind === 'invalid') throw new DurableError('InvalidArgument', describeIssues(what, checked.issues));
}
