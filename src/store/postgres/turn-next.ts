/**
 * The part of a commit that ends an execution and begins the next one of the same instance (decision 19). Sequences go on:
 * the row that this turn appends is the last of those that are hidden from here on, and tells whose the commit was; those
 * before it are deleted. The start of the next execution waits in the inbox before everything else.
 */
import type { ExecutionStarted, Untimed } from '../../model/history.ts';
import { toMessageText } from './rows.ts';
import { joinJson, joinNumbers, jsonTexts, type Tables } from './sql.ts';

/** The executions that begin, each with the key of its instance and the sequence after which its history begins. */
export interface NextBatch {
  readonly next: readonly {
    readonly key: string;
    readonly sequence: number;
    readonly start: Untimed<ExecutionStarted>;
  }[];
}

/** What the part takes, by name. */
export const nextColumns = {
  nextKeys: (b: NextBatch) => joinNumbers(b.next.map(({ key }) => key)),
  // Before all ids that are counted up, and another for each execution.
  nextMessageIds: (b: NextBatch) => joinNumbers(b.next.map(({ sequence }) => -sequence)),
  nextExecutions: (b: NextBatch) => b.next.map(({ start }) => start.executionId),
  nextVersions: (b: NextBatch) => b.next.map(({ start }) => start.version ?? null),
  nextInputs: (b: NextBatch) => joinJson(b.next.map(({ start }) => start.input ?? null)),
  nextStarts: (b: NextBatch) => joinJson(b.next.map(({ start }) => toMessageText(start))),
};

/** In the update of `moved`. */
export const renewal = `,
          execution_id = coalesce(c.next, e.execution_id),
          first_sequence = case when c.next is null then e.first_sequence else e.sequence + c.rows end`;

/** Beside it. Timers and completions of the execution that is over go; events for the instance stay. */
export function nextText(t: Tables, $: (column: keyof typeof nextColumns) => string): string {
  return `next as materialized (
      select n.*, moved.hub_id, moved.execution_id as old_execution_id, moved.fence
      from unnest(${$('nextKeys')}::bigint[], ${$('nextMessageIds')}::bigint[], ${$('nextExecutions')}::text[], ${$('nextVersions')}::text[], ${jsonTexts($('nextInputs'))}, ${jsonTexts($('nextStarts'))})
        as n (key, message_id, execution_id, version, input, start)
      join moved on moved.key = n.key
    ), renewed as (
      update ${t.instances} i
      set execution_id = n.execution_id, version = n.version, input = n.input
      from next n where i.key = n.key
    ), restarted as (
      insert into ${t.messages} (instance_key, id, hub_id, execution_id, event) overriding system value
      select n.key, n.message_id, n.hub_id, n.execution_id, n.start from next n
    ), outdated as (
      delete from ${t.messages} m using next n where m.instance_key = n.key and m.execution_id = n.old_execution_id
    ), forgotten as (
      delete from ${t.history} h using next n where h.instance_key = n.key and h.sequence <= n.fence
    )`;
}
