import { describe, expect, it } from 'vitest';
import { NonRetriableError, toFailure } from '../../src/model/failure.ts';

describe('B37: properties of an error', () => {
  it('are its own texts, numbers and booleans, and the entries of its properties', () => {
    class CardError extends Error {
      override readonly name = 'CardError';
      readonly code = 'declined';
      readonly status = 402;
      readonly final = true;
      readonly request = { headers: { authorization: 'secret' } };
      readonly properties = { card: { last4: '4242' }, tries: [1, 2] };
    }
    expect(toFailure(new CardError('no'))).toMatchObject({
      errorType: 'CardError',
      message: 'no',
      properties: { code: 'declined', status: 402, final: true, card: { last4: '4242' }, tries: [1, 2] },
    });
    expect(JSON.stringify(toFailure(new CardError('no')))).not.toContain('secret');
  });

  it('are kept at every cause', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', port: 5432 });
    expect(toFailure(new Error('no database', { cause }))).toMatchObject({
      innerFailure: { properties: { code: 'ECONNREFUSED', port: 5432 } },
    });
    expect(toFailure(new Error('no database', { cause }))).not.toHaveProperty('properties');
  });

  it('that JSON or Postgres cannot hold are left out or made to fit', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const error = Object.assign(new Error('x'), {
      nan: Number.NaN,
      nul: 'a\u0000b',
      half: '\ud800',
      huge: 'x'.repeat(20_000),
      properties: { cycle, big: 1n, fn: () => 1, deep: { nul: '\u0000' }, ok: 1 },
    });
    const { properties } = toFailure(error);
    expect(properties).toEqual({ nul: 'a\ufffdb', half: '\ufffd', deep: { nul: '\ufffd' }, ok: 1 });
  });

  it('of one that carries failure details are those of the details', () => {
    const error = Object.assign(new Error('outer'), {
      taskName: 'A',
      failureDetails: {
        errorType: 'CardError',
        message: 'no',
        properties: { code: 1 },
        isCausedBy: () => true,
        innerFailure: { errorType: 'X', message: 'y', extra: 1 },
      },
    });
    const failure = toFailure(error);
    expect(failure).not.toHaveProperty('properties');
    expect(failure.innerFailure).toEqual({
      errorType: 'CardError',
      message: 'no',
      properties: { code: 1 },
      innerFailure: { errorType: 'X', message: 'y' },
    });
  });

  it('that throw when they are read do no harm', () => {
    const error = new Error('x');
    Object.defineProperty(error, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('getter');
      },
    });
    expect(toFailure(error).message).toBe('An error was thrown that could not be read.');
  });
});

describe('B36: a failure', () => {
  it('has type, message, stack and its causes, to a depth of ten', () => {
    let error = new Error('0');
    for (let depth = 1; depth < 20; depth += 1) error = new TypeError(String(depth), { cause: error });
    let failure = toFailure(error);
    expect(failure).toMatchObject({ errorType: 'TypeError', message: '19' });
    expect(failure.stackTrace).toContain('failure.test.ts');
    let depth = 0;
    for (; failure.innerFailure; failure = failure.innerFailure) depth += 1;
    expect(depth).toBe(10);
  });

  it('of a NonRetriableError says that the call must not be tried again', () => {
    expect(toFailure(new NonRetriableError('gone'))).toMatchObject({
      errorType: 'NonRetriableError',
      message: 'gone',
      isNonRetriable: true,
    });
    expect(toFailure(new NonRetriableError('gone'))).not.toHaveProperty('properties');
    expect(toFailure(Object.assign(new Error('gone'), { isNonRetriable: true })).isNonRetriable).toBe(true);
  });
});
