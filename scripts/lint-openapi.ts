/** The rules of the OpenAPI document, beside its being current. */
import { createConfig, lintFromString } from '@redocly/openapi-core';

/** @returns what is wrong, a line each; nothing when the document is sound */
export async function lintOpenApi(text: string): Promise<readonly string[]> {
  const config = await createConfig({
    extends: ['recommended'],
    rules: {
      'no-invalid-schema-examples': 'error',
      'no-invalid-media-type-examples': 'error',
      'no-invalid-parameter-examples': 'error',
      'no-unused-components': 'error',
      'operation-operationId-unique': 'error',
      'operation-operationId-url-safe': 'error',
      'operation-tag-defined': 'error',
      'parameter-description': 'error',
      'path-parameters-defined': 'error',
      'tag-description': 'error',
      // Probes have none.
      'operation-4xx-response': 'off',
    },
  });
  const problems = await lintFromString({ source: text, absoluteRef: 'openapi.json', config });
  return problems.map(({ ruleId, message, location: [at] }) => `${ruleId}: ${message} (${at?.pointer ?? 'anywhere'})`);
}
