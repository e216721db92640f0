import type { Shown } from './present.ts';
import type { Query } from './query.ts';

/** What a status query wants to see. */
export function shownBy(query: Query): Shown {
  return {
    input: query.flag('showInput', true),
    history: query.flag('showHistory', false),
    historyOutput: query.flag('showHistoryOutput', false),
  };
}
