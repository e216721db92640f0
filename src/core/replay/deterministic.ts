/** Values that look random and are the same in every replay. The only file of `core` that may use `node:crypto`. */
import { createHash } from 'node:crypto';

/** Namespace of Durable Functions' deterministic GUIDs. */
const namespace = Buffer.from('9e9529585e334daf827f2fa12937b875', 'hex');

/** What makes a GUID of an orchestration unlike any other. */
export interface GuidSeed {
  readonly instanceId: string;
  /** `currentUtcDateTime`, milliseconds since 1970. */
  readonly now: number;
  /** Counts the GUIDs of one execution from 0. */
  readonly counter: number;
}

/** A UUID of version 5, by the recipe of Durable Task for JavaScript: `<instanceId>_<ISO time>_<counter>`. */
export function deterministicGuid({ instanceId, now, counter }: GuidSeed): string {
  return uuid5(namespace, `${instanceId}_${new Date(now).toISOString()}_${counter}`);
}

/**
 * The same by the recipe of `durable-functions` v3, which has the two sides of the hash the other way round: the seed
 * makes the namespace, and the name is a constant.
 */
export function deterministicGuidV3(seed: {
  readonly text: string;
  readonly now: number;
  readonly counter: number;
}): string {
  const hashed = createHash('sha1').update(`${seed.text}_${seed.now}_${seed.counter}`, 'utf8').digest();
  return uuid5(hashed.subarray(0, 16), '9e952958-5e33-4daf-827f-2fa12937b875');
}

function uuid5(space: Buffer, name: string): string {
  const hash = createHash('sha1').update(space).update(name, 'utf8').digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6); // version 5
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8); // variant of RFC 9562
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
