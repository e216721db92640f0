/** What the OpenAPI document of a running service says about its own orchestrations: a path for each, with its schemas. */
import { isOrchestration, type FunctionDefinition, type OrchestrationDefinition } from '../model/functions.ts';
import { compareVersions } from '../model/versions.ts';
import { jsonSchemaOf } from '../model/schema.ts';
import { mount } from './canonical-url.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The document with one operation more for each orchestration, beside the one that starts any.
 * @param document an OpenAPI document; not changed
 */
export function withOrchestrators(document: object, functions: readonly FunctionDefinition[]): Json {
  const paths = member(document, 'paths');
  const general = member(member(paths, `${mount}/orchestrators/{functionName}`), 'post');
  const own = functions
    .filter(isOrchestration)
    // One path for each name: the last is that of the newest version.
    .sort((a, b) => compareVersions(a.version, b.version))
    .map((definition): [string, Json] => [
      `${mount}/orchestrators/${encodeURIComponent(definition.name)}`,
      { post: startOf(definition, general) },
    ]);
  return { ...document, paths: { ...paths, ...Object.fromEntries(own) } };
}

/** As the general start, but for the name in the path, and what the orchestration says about its values. */
function startOf({ name, schemas, events }: OrchestrationDefinition<never, unknown>, general: Json): Json {
  const input = schemas.input && jsonSchemaOf(schemas.input, 'input');
  const output = schemas.output && jsonSchemaOf(schemas.output, 'output');
  const described = events.map((event) => ({
    name: event.name,
    ...(event.schema === undefined ? {} : { payload: jsonSchemaOf(event.schema, 'input') }),
  }));
  const { requestBody, ...rest } = general;
  const responses = member(general, 'responses');
  const ended = { ...member(responses, '200'), description: 'With `timeout`: the output.' };
  return {
    ...rest,
    operationId: `start${name.replaceAll(/[^\w.-]/g, '_')}`,
    summary: `Start ${name}`,
    parameters: parametersOf(general).filter((one) => member({ one }, 'one')['name'] !== 'functionName'),
    ...(schemas.input === undefined
      ? requestBody === undefined
        ? {}
        : { requestBody }
      : { requestBody: { required: true, content: { 'application/json': { schema: input ?? {} } } } }),
    responses: {
      ...responses,
      200: output === undefined ? ended : { ...ended, content: { 'application/json': { schema: output } } },
    },
    ...(described.length === 0 ? {} : { 'x-events': described }),
  };
}

function parametersOf({ parameters }: Json): readonly unknown[] {
  return Array.isArray(parameters) ? parameters : [];
}

function member(parent: object, name: string): Json {
  const value: unknown = Object.getOwnPropertyDescriptor(parent, name)?.value;
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
