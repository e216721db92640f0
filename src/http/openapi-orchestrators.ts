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
  const paths: unknown = 'paths' in document ? document.paths : undefined;
  const own = functions
    .filter(isOrchestration)
    // One path for each name: the last is that of the newest version.
    .sort((a, b) => compareVersions(a.version, b.version))
    .map((definition): [string, Json] => [
      `${mount}/orchestrators/${encodeURIComponent(definition.name)}`,
      { post: startOf(definition) },
    ]);
  return { ...document, paths: { ...(typeof paths === 'object' ? paths : {}), ...Object.fromEntries(own) } };
}

function startOf({ name, schemas, events }: OrchestrationDefinition<never, unknown>): Json {
  const input = schemas.input && jsonSchemaOf(schemas.input, 'input');
  const output = schemas.output && jsonSchemaOf(schemas.output, 'output');
  const described = events.map((event) => ({
    name: event.name,
    ...(event.schema === undefined ? {} : { payload: jsonSchemaOf(event.schema, 'input') }),
  }));
  return {
    operationId: `start${name}`,
    summary: `Start ${name}`,
    tags: ['Orchestrations'],
    ...(schemas.input === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: input ?? {} } } } }),
    responses: {
      200: {
        description: 'With `timeout`: the output.',
        ...(output === undefined ? {} : { content: { 'application/json': { schema: output } } }),
      },
      202: { description: 'Started; the links manage the instance.' },
      400: { description: 'The input is not valid; nothing was started.' },
    },
    ...(described.length === 0 ? {} : { 'x-events': described }),
  };
}
