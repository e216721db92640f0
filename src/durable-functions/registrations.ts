/**
 * Functions that register themselves when their module is loaded, as those of `durable-functions` do. Kept on the global
 * object: a module may have come by another copy of this package than the one that loads it.
 */
const key = Symbol.for('perdure.registrations');

function list(): unknown[] {
  const held: unknown = Reflect.get(globalThis, key);
  if (Array.isArray(held)) return held;
  const made: unknown[] = [];
  Reflect.set(globalThis, key, made);
  return made;
}

/** Remembers a definition until somebody takes it. */
export function register(definition: unknown): void {
  list().push(definition);
}

/** What was registered since the last call, in order. */
export function takeRegistrations(): readonly unknown[] {
  return list().splice(0);
}
