/** The context that functions of Azure Functions get: what it logs goes to the log of the function that runs. */
import type { ReplaySafeLog } from '../model/functions.ts';
import { inWords } from '../core/replay/user-log.ts';

/** `InvocationContext` of Azure Functions, as far as durable functions use it. */
export interface InvocationContext {
  readonly functionName: string;
  readonly invocationId: string;
  log(...values: readonly unknown[]): void;
  trace(...values: readonly unknown[]): void;
  debug(...values: readonly unknown[]): void;
  info(...values: readonly unknown[]): void;
  warn(...values: readonly unknown[]): void;
  error(...values: readonly unknown[]): void;
}

export function invocationContext(of: {
  readonly functionName: string;
  readonly invocationId: string;
  readonly log: ReplaySafeLog;
}): InvocationContext {
  const { functionName, invocationId, log } = of;
  const at =
    (level: keyof ReplaySafeLog): InvocationContext['log'] =>
    (...values) =>
      log[level](values.map(inWords).join(' '));
  return {
    functionName,
    invocationId,
    log: at('info'),
    trace: at('debug'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
