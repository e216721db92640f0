/** The `hello.mjs` of the README, for pages that import it. */
import type { ActivityDefinition, OrchestrationDefinition } from 'perdure';

export const sayHello: ActivityDefinition<string, string>;
export const helloCities: OrchestrationDefinition<readonly string[], readonly string[]>;
