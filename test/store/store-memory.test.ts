import { describe } from 'vitest';
import { MemoryData } from '../../src/store/memory/data.ts';
import { openMemoryStore } from '../../src/store/memory/index.ts';
import { storeContract } from '../contract/store/index.ts';

describe('the store in memory', () => {
  const data = new MemoryData({ now: () => Date.now() });

  storeContract({
    store: openMemoryStore(data),
    other: openMemoryStore(data),
    spoil: async (key) => {
      const instance = data.instances.get(key);
      if (instance !== undefined) instance.history = instance.history.map((turn) => turn.slice(0, -1));
    },
    remains: async (key) => {
      const instance = data.instances.get(key);
      const counts = {
        instances: instance === undefined ? 0 : 1,
        executions: data.live(key) === undefined ? 0 : 1,
        history: instance?.history.length ?? 0,
        messages: instance?.messages.length ?? 0,
        tasks: [...data.tasks.values()].filter((task) => task.instanceKey === key).length,
      };
      return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
    },
  });
});
