import type { HistoryEvent } from '../../model/history.ts';

/** What an event takes beside its payloads, roughly. */
const overhead = 100;

/** Rough size of an event in UTF-16 units. Reads lengths only: nothing is scanned. */
export function sizeOfEvent(event: HistoryEvent): number {
  let size = overhead;
  if ('input' in event) size += event.input?.length ?? 0;
  if ('result' in event) size += event.result?.length ?? 0;
  if ('failure' in event) size += (event.failure?.message.length ?? 0) + (event.failure?.stackTrace?.length ?? 0);
  return size;
}

export function sizeOfEvents(events: readonly HistoryEvent[]): number {
  let size = 0;
  for (const event of events) size += sizeOfEvent(event);
  return size;
}
