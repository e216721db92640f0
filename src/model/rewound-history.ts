import type { HistoryEvent } from './history.ts';

/** An event that counts, with its position in the stored history. */
export interface CountingEvent {
  readonly event: HistoryEvent;
  readonly position: number;
}

/** What of a stored history counts: without the events that its ExecutionRewound events name. */
export function countingEvents(stored: readonly HistoryEvent[]): readonly CountingEvent[] {
  const ignored = new Set<number>();
  for (const event of stored) {
    if (event.type === 'ExecutionRewound') for (const position of event.ignores) ignored.add(position);
  }
  return stored.flatMap((event, position) => (ignored.has(position) ? [] : [{ event, position }]));
}

/** The same without the positions; a history that was never rewound is returned as it is. */
export function withoutRewound(stored: readonly HistoryEvent[]): readonly HistoryEvent[] {
  if (!stored.some((event) => event.type === 'ExecutionRewound')) return stored;
  return countingEvents(stored).map(({ event }) => event);
}
