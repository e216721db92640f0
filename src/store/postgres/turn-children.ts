/**
 * The part of a commit that creates sub-orchestrations. They are new rows of their own: no row of another instance is
 * touched. One whose id is taken is not created, and its parent is told so in the same statement.
 */
import { idTaken } from '../../model/sub-orchestration.ts';
import type { NewChild } from '../../model/work.ts';
import { toMessageText } from './rows.ts';
import { joinJson, joinNumbers, jsonTexts, type Tables } from './sql.ts';

/** The children of a batch, each with the key of the turn that creates it. */
export interface ChildBatch {
  readonly children: readonly ({ readonly key: string } & NewChild)[];
}

/** What the part takes, by name. */
export const childColumns = {
  childParents: (b: ChildBatch) => joinNumbers(b.children.map(({ key }) => key)),
  childIds: (b: ChildBatch) => b.children.map(({ instanceId }) => instanceId),
  childNames: (b: ChildBatch) => b.children.map(({ start }) => start.name),
  childVersions: (b: ChildBatch) => b.children.map(({ start }) => start.version ?? null),
  childExecutions: (b: ChildBatch) => b.children.map(({ start }) => start.executionId),
  childInputs: (b: ChildBatch) => joinJson(b.children.map(({ start }) => start.input ?? null)),
  childLinks: (b: ChildBatch) => joinJson(b.children.map(({ start }) => JSON.stringify(start.parent))),
  childTags: (b: ChildBatch) =>
    joinJson(b.children.map(({ start }) => (start.tags === undefined ? null : JSON.stringify(start.tags)))),
  childCalls: (b: ChildBatch) => joinNumbers(b.children.map(({ start }) => start.parent.taskScheduledId)),
  childTraces: (b: ChildBatch) => joinJson(b.children.map(({ trace }) => trace ?? null)),
  // Nobody reads the start message of one that is owned from birth.
  childStarts: (b: ChildBatch) => joinJson(b.children.map(({ start, owned }) => (owned ? null : toMessageText(start)))),
  takenText: () => JSON.stringify(idTaken),
};

/** The children of the turns in `won`, created in the order of their ids: two batches wait for each other in one order. */
export function childrenText(t: Tables, $: (column: keyof typeof childColumns | 'worker') => string): string {
  return `child as materialized (
      select won.hub_id, c.*
      from unnest(${$('childParents')}::bigint[], ${$('childIds')}::text[], ${$('childNames')}::text[], ${$('childVersions')}::text[], ${$('childExecutions')}::text[], ${jsonTexts($('childInputs'))}, ${jsonTexts($('childLinks'))}, ${jsonTexts($('childTags'))}, ${$('childCalls')}::int[], ${jsonTexts($('childStarts'))}, ${jsonTexts($('childTraces'))})
        as c (parent_key, instance_id, name, version, execution_id, input, link, tags, call, start, trace)
      join won on won.key = c.parent_key
    ), born as (
      insert into ${t.instances} (hub_id, instance_id, name, version, execution_id, input, parent_key, parent, tags, trace_context)
      select c.hub_id, c.instance_id, c.name, c.version, c.execution_id, c.input, c.parent_key, c.link, c.tags::jsonb, c.trace
      from child c order by c.instance_id
      on conflict (hub_id, instance_id) do nothing
      returning key, hub_id, instance_id, execution_id, parent_key
    ), begun as (
      insert into ${t.executions} (instance_key, hub_id, name, execution_id, status, owner)
      select b.key, b.hub_id, c.name, b.execution_id, 'Pending', case when c.start is null then ${$('worker')}::bigint end
      from born b join child c on c.execution_id = b.execution_id
    ), started as (
      insert into ${t.messages} (instance_key, hub_id, execution_id, event)
      select b.key, b.hub_id, b.execution_id, c.start
      from born b join child c on c.execution_id = b.execution_id
      where c.start is not null
    ), refused as (
      insert into ${t.messages} (instance_key, hub_id, execution_id, event)
      select won.key, won.hub_id, won.execution_id,
        '{"type":"SubOrchestrationInstanceFailed","taskScheduledId":' || c.call || ',"failure":' || ${$('takenText')}::text || '}'
      from child c join won on won.key = c.parent_key
      where not won.ended and not exists (select 1 from born b where b.execution_id = c.execution_id)
    )`;
}

/** Columns of the answer: who was born; and that there is a message for a parent when somebody was not. */
export const bornColumns = `,
      array(select b.key from born b where b.parent_key = won.key order by b.key) as born,
      array(select b.execution_id from born b where b.parent_key = won.key order by b.key) as born_executions`;
