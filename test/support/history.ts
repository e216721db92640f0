import type { HistoryEvent } from '../../src/model/history.ts';
import type { TestHub } from './task-hubs.ts';

/** The history of an instance's current execution. */
export async function historyOf(
  { client }: Pick<TestHub, 'client'>,
  instanceId: string,
): Promise<readonly HistoryEvent[]> {
  const instance = await client.getStatus(instanceId, { showHistory: true });
  if (instance?.history === undefined) throw new Error(`there is no history of ${instanceId}`);
  return instance.history;
}

export function typesOf(history: readonly HistoryEvent[]): readonly string[] {
  return history.map((event) => event.type);
}

/** The events of one type. */
export function eventsOf<T extends HistoryEvent['type']>(
  history: readonly HistoryEvent[],
  type: T,
): readonly Extract<HistoryEvent, { readonly type: T }>[] {
  return history.filter((event): event is Extract<HistoryEvent, { readonly type: T }> => event.type === type);
}
