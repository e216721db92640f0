/**
 * Names by which executions are claimed: those of orchestrators, and of entities with an `@` before them, which no
 * orchestrator has. So one list says what a worker can run.
 */
import { entityExecutionName } from '../model/entity-id.ts';
import type { FunctionNames } from '../model/work.ts';

export function toExecutableNames({ orchestrators, entities }: FunctionNames): readonly string[] {
  return [...orchestrators, ...entities.map(entityExecutionName)];
}

/** The names of several workers together. */
export function toFunctionNames(
  workers: readonly { readonly executables: readonly string[]; readonly activities: readonly string[] }[],
): FunctionNames {
  const executables = workers.flatMap((worker) => worker.executables);
  const isEntity = (name: string): boolean => name.startsWith('@');
  return {
    orchestrators: distinct(executables.filter((name) => !isEntity(name))),
    activities: distinct(workers.flatMap((worker) => worker.activities)),
    entities: distinct(executables.filter(isEntity).map((name) => name.slice(1))),
  };
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
