/** Versions of orchestrations and activities: how they compare, and which code serves which (engine.md 2.15). */

/**
 * Which instances a worker serves, seen from its own version: all of them, those of exactly this version, or those of
 * this one and older. `VersionMatchStrategy` of the Durable Task SDKs.
 */
export type VersionMatchStrategy = 'None' | 'Strict' | 'CurrentOrOlder';

/**
 * What becomes of an instance that a worker does not serve: it is left to one that does, or fails with a failure of type
 * `VersionMismatch`. `VersionFailureStrategy` of the Durable Task SDKs.
 */
export type VersionFailureStrategy = 'Reject' | 'Fail';

/** How a hub's process deals with versions. */
export interface Versioning {
  /** That of this worker, for `matchStrategy`. Default: none, which is older than any. */
  readonly version?: string;
  /** Given to starts and sub-orchestrations that name none. An empty text counts as named. Default: none. */
  readonly defaultVersion?: string;
  /** Default `'None'`. */
  readonly matchStrategy?: VersionMatchStrategy;
  /** Default `'Reject'`. */
  readonly failureStrategy?: VersionFailureStrategy;
}

/** An instance's version: `null` or `undefined` when it was started without one. */
export type Version = string | null | undefined;

/**
 * Below 0 when `a` is older, above 0 when it is newer, 0 when they are the same. None and the empty text are older than
 * any other. Dotted numbers are compared number by number, what is missing counting as 0 (`1.10` is newer than `1.9`,
 * `2` is `2.0`); anything else as text without case.
 */
export function compareVersions(a: Version, b: Version): number {
  const [left, right] = [a ?? '', b ?? ''];
  if (left === right) return 0;
  if (left === '' || right === '') return left === '' ? -1 : 1;
  const [leftNumbers, rightNumbers] = [numbersOf(left), numbersOf(right)];
  if (leftNumbers === undefined || rightNumbers === undefined) return compareTexts(left, right);
  const length = Math.max(leftNumbers.length, rightNumbers.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (leftNumbers[index] ?? 0) - (rightNumbers[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

function numbersOf(version: string): readonly number[] | undefined {
  return /^\d{1,15}(\.\d{1,15})*$/.test(version) ? version.split('.').map(Number) : undefined;
}

function compareTexts(a: string, b: string): number {
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Whether a worker's strategy lets it serve an instance of this version, whatever code it has. */
export function matchesWorker({ version, matchStrategy = 'None' }: Versioning, of: Version): boolean {
  switch (matchStrategy) {
    case 'None':
      return true;
    case 'Strict':
      return compareVersions(of, version) === 0;
    case 'CurrentOrOlder':
      return compareVersions(of, version) <= 0;
  }
}

/** A name in lower case with a version, as one text: names and versions hold no line breaks. */
export function versionedName(name: string, version: Version): string {
  return `${name.toLowerCase()}\n${version ?? ''}`;
}

interface Versioned {
  readonly name: string;
  readonly version?: string | undefined;
}

/**
 * Definitions of one kind by name, without case, and version. Code without a version serves every version that has no
 * code of its own.
 */
export class VersionedDefinitions<Definition extends Versioned> {
  readonly #byName = new Map<string, Definition[]>();

  /** @returns another definition that has this name and version already, which keeps its place */
  add(definition: Definition): Definition | undefined {
    const key = definition.name.toLowerCase();
    const known = this.#byName.get(key) ?? [];
    const before = known.find((one) => isSameVersion(one, definition));
    if (before !== undefined) return before === definition ? undefined : before;
    this.#byName.set(key, [...known, definition]);
    return undefined;
  }

  /** Each name once, as the first definition spells it. */
  get names(): readonly string[] {
    return [...this.#byName.values()].flatMap(([first]) => (first === undefined ? [] : [first.name]));
  }

  /** All versions of a name. */
  of(name: string): readonly Definition[] {
    return this.#byName.get(name.toLowerCase()) ?? [];
  }

  /** The code for a version of a name. */
  find(name: string, version: Version): Definition | undefined {
    const known = this.of(name);
    const [only] = known;
    if (known.length === 1 && only?.version === undefined) return only;
    return (
      known.find((one) => one.version !== undefined && compareVersions(one.version, version) === 0) ??
      known.find((one) => one.version === undefined)
    );
  }

  /** Whether some version of a name may have no code here. */
  get isSelective(): boolean {
    return [...this.#byName.values()].some((known) => known.every((one) => one.version !== undefined));
  }
}

function isSameVersion(a: Versioned, b: Versioned): boolean {
  if (a.version === undefined || b.version === undefined) return a.version === b.version;
  return compareVersions(a.version, b.version) === 0;
}
