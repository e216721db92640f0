/** The part of a commit that reaches entities, which come into being by it (`entity-commit-statement.ts`). */
import type { MessageToEntity } from '../../model/work.ts';
import { deliverToEntities, entityTargets } from './entity-commit-statement.ts';
import { joinNumbers, jsonTexts, type Tables } from './sql.ts';

/** The messages of a batch to entities, each with the key of the turn that sends it. */
export interface EntityMessageBatch {
  readonly entityMessages: readonly ({ readonly key: string } & MessageToEntity)[];
}

/** What the part takes, by name. */
export const entityMessageColumns = {
  entitySenders: (b: EntityMessageBatch) => joinNumbers(b.entityMessages.map(({ key }) => key)),
  entityIds: (b: EntityMessageBatch) => entityTargets(b.entityMessages).ids,
  entityNames: (b: EntityMessageBatch) => entityTargets(b.entityMessages).names,
  entityTimes: (b: EntityMessageBatch) => entityTargets(b.entityMessages).times,
  entityEvents: (b: EntityMessageBatch) => entityTargets(b.entityMessages).events,
};

/** The messages of the turns in `won`. */
export function entityMessagesText(t: Tables, $: (column: keyof typeof entityMessageColumns) => string): string {
  return `entity_outgoing as materialized (
      select o.ord, won.key as sender, won.hub_id, o.instance_id, o.name, to_timestamp(o.due / 1000.0) as visible_at, o.event
      from unnest(${$('entitySenders')}::bigint[], ${$('entityIds')}::text[], ${$('entityNames')}::text[], ${$('entityTimes')}::float8[], ${jsonTexts($('entityEvents'))})
        with ordinality as o (sender, instance_id, name, due, event, ord)
      join won on won.key = o.sender
    ), ${deliverToEntities(t)}`;
}

const told = (column: string) => `array(
        select ${column}
        from target o left join entity_made m on m.hub_id = o.hub_id and m.instance_id = o.instance_id
        where o.sender = won.key order by o.ord
      )`;

/** Columns of the answer: who was told, and from when they can see it. */
export const toldEntityColumns = `,
      ${told('coalesce(o.found, m.key)')} as told_entities,
      ${told('floor(extract(epoch from greatest(o.visible_at, now())) * 1000)::float8')} as told_entities_at`;
