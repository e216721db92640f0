/** Which functions an environment runs: those that were given, mocks in place of what they name. */
import { isHttpTrigger, type HttpTriggerDefinition } from '../client/http-trigger.ts';
import { httpActivityName } from '../model/durable-http.ts';
import { DurableError } from '../model/errors.ts';
import { isActivity, isFunctionDefinition, type FunctionDefinition } from '../model/functions.ts';
import { noHttp } from './mock-http.ts';
import { mockHandlerOf } from './mock.ts';

/** HTTP triggers are taken too, and left alone, so that all exports of a module can be given. */
export type TestFunction = FunctionDefinition | HttpTriggerDefinition;

/** What an environment runs. */
export interface ChosenFunctions {
  readonly functions: readonly FunctionDefinition[];
  /** Those of the engine. */
  readonly builtIns: readonly FunctionDefinition[];
}

/**
 * @throws DurableError `InvalidArgument` when an activity is mocked twice
 * @throws TypeError for anything that is no definition
 */
export function chooseFunctions(given: readonly TestFunction[]): ChosenFunctions {
  const mocks = new Map<string, FunctionDefinition>();
  const others: FunctionDefinition[] = [];
  for (const definition of given) {
    if (isHttpTrigger(definition)) continue;
    if (!isFunctionDefinition(definition)) {
      throw new TypeError('functions must be definitions, made by orchestration(…), activity(…) or mock(…).');
    }
    if (mockHandlerOf(definition) === undefined) {
      others.push(definition);
      continue;
    }
    const name = definition.name.toLowerCase();
    if (mocks.has(name) && mocks.get(name) !== definition) {
      throw new DurableError('InvalidArgument', `The activity '${definition.name}' is mocked twice.`);
    }
    mocks.set(name, definition);
  }
  const real = others.filter((definition) => !(isActivity(definition) && mocks.has(definition.name.toLowerCase())));
  const http = mocks.get(httpActivityName.toLowerCase()) ?? noHttp;
  mocks.delete(httpActivityName.toLowerCase());
  return { functions: [...real, ...mocks.values()], builtIns: [http] };
}
