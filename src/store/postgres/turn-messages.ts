/**
 * The part of a commit that reaches other instances: it inserts messages for them and touches none of their rows
 * (decision 10). A batch without any is written by a statement without this part (`commit-statement.ts`).
 */
import type { OutgoingMessage } from '../../model/work.ts';
import { toMessageText } from './rows.ts';
import { joinJson, joinNumbers, jsonTexts, type Tables } from './sql.ts';

/** The messages of a batch, each with the key of the turn that sends it. */
export interface MessageBatch {
  readonly messages: readonly ({ readonly key: string } & OutgoingMessage)[];
}

/** What the part takes, by name. */
export const messageColumns = {
  senderKeys: (b: MessageBatch) => joinNumbers(b.messages.map(({ key }) => key)),
  targetKeys: (b: MessageBatch) => b.messages.map(({ target }) => (target.kind === 'key' ? target.key : null)),
  targetIds: (b: MessageBatch) => b.messages.map(({ target }) => (target.kind === 'key' ? null : target.instanceId)),
  targetParents: (b: MessageBatch) => b.messages.map(({ key, target }) => (target.kind === 'child' ? key : null)),
  messageTimes: (b: MessageBatch) => b.messages.map(({ visibleAt }) => visibleAt ?? null),
  messageExecutions: (b: MessageBatch) => b.messages.map(({ executionId }) => executionId ?? null),
  messageEvents: (b: MessageBatch) => joinJson(b.messages.map(({ event }) => toMessageText(event))),
};

/**
 * The messages of the turns in `won`. Targets are looked up by primary key or by `instances_id`, each for itself, and not
 * locked: what comes for an instance just as it ends is swept. A target that has not begun gets its messages with its
 * scheduled start: they must not start it early.
 * @param bears whether the statement creates instances: they can be told too
 */
export function messagesText(
  t: Tables,
  $: (column: keyof typeof messageColumns) => string,
  { bears }: { readonly bears: boolean },
): string {
  return `outgoing as materialized (
      select o.ord, won.key as sender, target.key, won.hub_id, o.execution_id, o.event,
        greatest(
          to_timestamp(o.visible_at / 1000.0),
          case when live.status = 'Pending' then target.scheduled_start_at end,
          now()
        ) as visible_at
      from unnest(${$('senderKeys')}::bigint[], ${$('targetKeys')}::bigint[], ${$('targetIds')}::text[], ${$('targetParents')}::bigint[], ${$('messageTimes')}::float8[], ${$('messageExecutions')}::text[], ${jsonTexts($('messageEvents'))})
        with ordinality as o (sender, target_key, target_id, parent_key, visible_at, execution_id, event, ord)
      join won on won.key = o.sender
      cross join lateral (
        (select i.key, i.scheduled_start_at from ${t.instances} i where i.key = o.target_key)
        union all
        (select i.key, i.scheduled_start_at from ${t.instances} i
         where i.hub_id = won.hub_id and i.instance_id = o.target_id and (o.parent_key is null or i.parent_key = o.parent_key))${bears ? newTarget : ''}
        limit 1
      ) target
      cross join lateral (
        (select e.status from ${t.executions} e where e.instance_key = target.key)${bears ? newStatus : ''}
        limit 1
      ) live
    ), sent as (
      insert into ${t.messages} (instance_key, hub_id, visible_at, execution_id, event)
      select o.key, o.hub_id, o.visible_at, o.execution_id, o.event from outgoing o order by o.ord
    )`;
}

const newTarget = `
        union all
        (select b.key, null from born b where b.hub_id = won.hub_id and b.instance_id = o.target_id)`;
const newStatus = `
        union all
        (select 'Pending' from born b where b.key = target.key)`;

/** Columns of the answer: who was told, and from when they can see it. */
export const toldColumns = `,
      array(select o.key from outgoing o where o.sender = won.key order by o.ord) as told,
      array(
        select floor(extract(epoch from o.visible_at) * 1000)::float8 from outgoing o where o.sender = won.key order by o.ord
      ) as told_at`;
