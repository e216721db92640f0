/** Instances out of the store as lines, a bounded number of characters at a time. */
import type { InstanceKey } from '../model/work.ts';
import type { ArchiveStore } from '../store/archive-store.ts';
import { instanceLine } from './format.ts';

/** What is read together at most, in characters; one instance alone may have more. */
const maxSize = 4 * 1_048_576;

/** What is read together. */
export interface Lines {
  readonly text: string;
  readonly instances: number;
}

/** In the order given; those that are gone are left out. */
export async function* linesOf(
  store: ArchiveStore,
  keys: readonly InstanceKey[],
  options: { readonly history: boolean },
): AsyncGenerator<Lines> {
  let group: InstanceKey[] = [];
  let sum = 0;
  for (const { key, size } of await store.measure(keys)) {
    if (group.length > 0 && sum + size > maxSize) {
      yield await read(store, group, options);
      group = [];
      sum = 0;
    }
    group.push(key);
    sum += size;
  }
  if (group.length > 0) yield await read(store, group, options);
}

async function read(
  store: ArchiveStore,
  keys: readonly InstanceKey[],
  options: { readonly history: boolean },
): Promise<Lines> {
  const found = await store.readStored(keys, options);
  return {
    text: found.map((instance) => instanceLine(instance, options.history)).join(''),
    instances: found.length,
  };
}
