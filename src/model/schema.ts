/**
 * Schemas of any library that speaks Standard Schema (https://standardschema.dev): what they say about a value, and the
 * JSON schema of theirs for documents.
 */
import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';

/** A schema for values of which `Input` goes in and `Output` comes out, after defaults and transformations. */
export type Schema<Input = unknown, Output = unknown> = StandardSchemaV1<Input, Output>;

/** What is wrong with one part of a value. */
export interface SchemaIssue {
  /** Where, as in JavaScript: `items[0].price`; empty for the value itself. */
  readonly path: string;
  readonly message: string;
}

/** What a schema says about a value. */
export type Checked<Output> =
  | { readonly kind: 'valid'; readonly value: Output }
  | { readonly kind: 'invalid'; readonly issues: readonly SchemaIssue[] };

/** Issues beyond this are not told: a long list with the same mistake in every element is one mistake. */
const maxIssues = 20;

/** Which kind of value was not as its schema says; the `errorType` of its failure. */
export type InvalidValue = 'InvalidInputError' | 'InvalidOutputError' | 'InvalidEventError';

/** A value is not what its schema says. Trying again would not help. */
export class SchemaError extends Error {
  override readonly name: InvalidValue;
  readonly isNonRetriable = true;
  readonly properties: { readonly issues: readonly SchemaIssue[] };

  /** @param what the value in words, e.g. `The input of activity 'A'` */
  constructor(name: InvalidValue, what: string, issues: readonly SchemaIssue[]) {
    super(describeIssues(what, issues));
    this.name = name;
    this.properties = { issues };
  }
}

/** `<what> is not valid: <where>: <why>; …` */
export function describeIssues(what: string, issues: readonly SchemaIssue[]): string {
  const each = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  return `${what} is not valid: ${each.join('; ')}.`.replace(/\.\.$/, '.');
}

/** Whether something is a schema. Libraries make functions of them, too. */
export function isSchema(value: unknown): value is Schema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  const standard: unknown = '~standard' in value ? value['~standard'] : undefined;
  return (
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function'
  );
}

/** @throws TypeError for what is no schema */
export function requireSchema(where: string, value: unknown): void {
  if (value === undefined || isSchema(value)) return;
  throw new TypeError(
    `${where} must be a schema that speaks Standard Schema (zod, valibot, arktype and others do), not ${typeof value}.`,
  );
}

/**
 * Checks a value where nothing can be waited for.
 * @param what the value in words
 * @throws TypeError when the schema is asynchronous
 */
export function checkNow<Output>(schema: Schema<unknown, Output>, value: unknown, what: string): Checked<Output> {
  const result = schema['~standard'].validate(value);
  if (isPromiseLike(result)) {
    // Whatever it comes to is of no interest; a rejection must not end the process.
    Promise.resolve(result).catch(() => undefined);
    throw new TypeError(
      `${what} has an asynchronous schema, which an orchestration cannot wait for: its replay would not be deterministic. ` +
        'Use a synchronous schema, and check the rest in an activity.',
    );
  }
  return toChecked(result);
}

/** Checks a value; asynchronous schemas are waited for. */
export async function checkLater<Output>(schema: Schema<unknown, Output>, value: unknown): Promise<Checked<Output>> {
  return toChecked(await schema['~standard'].validate(value));
}

function toChecked<Output>(result: StandardSchemaV1.Result<Output>): Checked<Output> {
  if (result.issues === undefined) return { kind: 'valid', value: result.value };
  const issues = result.issues.slice(0, maxIssues).map(({ message, path }) => ({ message, path: pathOf(path) }));
  return { kind: 'invalid', issues };
}

function pathOf(path: StandardSchemaV1.Issue['path']): string {
  let text = '';
  for (const part of path ?? []) {
    const key = typeof part === 'object' ? part.key : part;
    if (typeof key === 'number' || /^\d+$/.test(String(key))) text += `[${String(key)}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/**
 * The JSON schema of what goes in or comes out, if the library can say: by the Standard JSON Schema interface, or a method
 * `toJSONSchema` or `toJsonSchema` of the schema.
 */
export function jsonSchemaOf(schema: Schema, side: 'input' | 'output'): Readonly<Record<string, unknown>> | undefined {
  const standard: unknown = schema['~standard'];
  try {
    if (isJsonConverter(standard)) return standard.jsonSchema[side]({ target: 'draft-2020-12' });
    for (const method of ['toJSONSchema', 'toJsonSchema']) {
      const convert: unknown = Reflect.get(schema, method);
      const made: unknown = typeof convert === 'function' ? Reflect.apply(convert, schema, []) : undefined;
      if (typeof made === 'object' && made !== null) return { ...made };
    }
  } catch {
    // Not every schema can be written as JSON Schema: then the document says nothing about it.
    return undefined;
  }
  return undefined;
}

function isJsonConverter(value: unknown): value is StandardJSONSchemaV1.Props {
  return typeof value === 'object' && value !== null && 'jsonSchema' in value;
}
