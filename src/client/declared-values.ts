/**
 * What the orchestrations of this process declare about values that come from outside: a start or an event that does not
 * fit is refused where it comes in, and nothing is stored. What is stored is what was sent.
 */
import { DurableError } from '../model/errors.ts';
import type { EventDefinition } from '../model/events.ts';
import { isOrchestration, type FunctionDefinition, type OrchestrationDefinition } from '../model/functions.ts';
import { compareVersions, VersionedDefinitions } from '../model/versions.ts';
import { checkNow, describeIssues, type Schema } from '../model/schema.ts';

type Declared = OrchestrationDefinition<never, unknown>;

export class DeclaredValues {
  readonly #orchestrations = new VersionedDefinitions<Declared>();
  /** Names of events with a schema, in lower case. */
  readonly #events = new Set<string>();

  constructor(functions: readonly FunctionDefinition[]) {
    for (const definition of functions.filter(isOrchestration)) {
      this.#orchestrations.add(definition);
      for (const event of definition.events) if (event.schema !== undefined) this.#events.add(event.name.toLowerCase());
    }
  }

  /** @param input JSON text @throws DurableError `InvalidArgument` that says what of it is wrong, and where */
  checkInput(target: { readonly name: string; readonly version: string | undefined }, input: string | undefined): void {
    const schema = this.#orchestrations.find(target.name, target.version)?.schemas.input;
    if (schema !== undefined) refuse(schema, input, `The input of orchestration '${target.name}'`);
  }

  /** The version of a start that names none, when all the code for its name has versions. */
  newestVersion(name: string): string | undefined {
    const known = this.#orchestrations.of(name);
    if (known.some(({ version }) => version === undefined)) return undefined;
    return known
      .map(({ version }) => version)
      .sort(compareVersions)
      .at(-1);
  }

  /** Whether an orchestration says what the payload of an event must be. */
  declaresEvent(event: string): boolean {
    return this.#events.size > 0 && this.#events.has(event.toLowerCase());
  }

  /** @throws DurableError `InvalidArgument` */
  checkEvent(
    target: { readonly orchestration: string; readonly version: string | null; readonly event: string },
    data: string | undefined,
  ): void {
    const event = this.#orchestrations
      .find(target.orchestration, target.version)
      ?.events.find(({ name }) => name.toLowerCase() === target.event.toLowerCase());
    if (event?.schema !== undefined) refuse(event.schema, data, whatOf(target.event));
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
