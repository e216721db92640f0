/** Reading entities of requests, and the one shape of their errors. */
import { entityIdProblem, type EntityAddress } from '../model/entity-id.ts';
import { DurableError } from '../model/errors.ts';
import { Problem } from './problem.ts';

/**
 * The entity that a path names.
 * @throws Problem 400 for name or key that no entity can have
 */
export function entityOf(name: string, key: string): EntityAddress {
  const problem = entityIdProblem(name, key);
  if (problem !== null) throw entityProblem(problem);
  return { name, key };
}

/** Argument errors about entities have their own text as `Message`, unlike others. */
export function entityProblem(message: string, type = 'InvalidArgument'): Problem {
  return new Problem(400, { kind: 'object', message, type });
}

/** The same for errors of the client; others stay as they are. */
export function toEntityProblem(error: unknown): unknown {
  if (error instanceof DurableError && error.code === 'InvalidArgument') return entityProblem(error.message);
  return error;
}
