/** Activities that stand in for others in a test. */
import { activity, type ActivityContext, type ActivityDefinition } from '../model/functions.ts';

const mocked: unique symbol = Symbol('perdure.mock');

/** What a mock's handler gets beside the input and the context of an activity. */
export interface MockCall {
  /** Counts the calls of this activity in its environment from 0, retries and redeliveries included. */
  readonly index: number;
  /** From now on the environment counts as at rest although this call has not ended: time can pass meanwhile. */
  readonly park: () => void;
}

/** The body of a mock. */
export type MockHandler<Input, Output> = (
  input: Input,
  context: ActivityContext,
  call: MockCall,
) => Promise<Output> | Output;

/** Made by {@link mock}; goes into the `functions` of an environment. */
export interface MockDefinition<Input, Output> extends ActivityDefinition<Input, Output> {
  readonly [mocked]: MockHandler<Input, Output>;
}

/**
 * An activity to be run instead of another of the same name.
 * @param target the definition (the compiler then checks the handler against it) or the name, compared without case
 */
export function mock<Input = unknown, Output = unknown>(
  target: ActivityDefinition<Input, Output> | string,
  handler: MockHandler<Input, Output>,
): MockDefinition<Input, Output> {
  // Outside an environment nothing counts its calls.
  const run = (input: Input, context: ActivityContext) => handler(input, context, { index: 0, park: () => undefined });
  const definition = typeof target === 'string' ? activity<Input, Output>(target, run) : { ...target, run };
  return { ...definition, [mocked]: handler };
}

/** Whether a definition was made by {@link mock}. */
export function mockHandlerOf(definition: object): MockHandler<never, unknown> | undefined {
  return mocked in definition ? (definition as MockDefinition<never, unknown>)[mocked] : undefined;
}

/**
 * A handler for {@link mock} that gives one result for each call, and the last one for all that follow. An `Error` among
 * them is thrown.
 * @throws RangeError without any
 */
export function inTurn<Output>(...results: readonly (Output | Error)[]): MockHandler<unknown, Output> {
  if (results.length === 0) throw new RangeError('inTurn(…) needs at least one result.');
  return (_input, _context, call) => {
    const result = results[Math.min(call.index, results.length - 1)] as Output | Error;
    if (result instanceof Error) throw result;
    return result;
  };
}

/**
 * A handler for {@link mock} whose first calls fail.
 * @param times how many
 * @param then what the calls after them do, counting from 0 again
 * @param error what is thrown. Default: an Error that says which call it was
 */
export function failFirst<Input, Output>(
  times: number,
  then: MockHandler<Input, Output>,
  error?: Error,
): MockHandler<Input, Output> {
  return (input, context, call) => {
    if (call.index >= times) return then(input, context, { ...call, index: call.index - times });
    throw error ?? new Error(`Call ${call.index + 1} of '${context.activityName}' fails on purpose.`);
  };
}

/** A handler for {@link mock} that does not end until it is told to stop: its time is up, or its orchestration ended. */
export function hang(): MockHandler<unknown, never> {
  return async (_input, { signal }, { park }) => {
    park();
    if (!signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    throw new Error('The call was told to stop.', { cause: signal.reason });
  };
}
