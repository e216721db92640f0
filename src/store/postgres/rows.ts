/** Rows to model and back: the only place where stored text becomes types (`as` is allowed here). */
import type { EntityMessage, EntityRequest } from '../../model/entity-work.ts';
import type { Failure } from '../../model/failure.ts';
import type { HistoryEvent, InboxEvent, ParentInstance } from '../../model/history.ts';
import type { OrchestrationInstance, RuntimeStatus, Tags } from '../../model/instance.ts';
import type { Claim, Message, QueuedActivity, Strike } from '../../model/work.ts';
import type { Selectable } from 'kysely';
import type { InstanceTable } from './database.ts';

/** An instance with, while it is live, what its execution says. */
export type InstanceRow = Omit<Selectable<InstanceTable>, 'hub_id' | 'status' | 'parent_key'> & {
  readonly status: RuntimeStatus;
};

export function toInstance(row: InstanceRow): OrchestrationInstance {
  return {
    key: row.key,
    instanceId: row.instance_id,
    name: row.name,
    version: row.version,
    tags: row.tags,
    executionId: row.execution_id,
    runtimeStatus: row.status,
    input: row.input,
    output: row.output,
    customStatus: row.custom_status,
    failure: row.failure === null ? null : (JSON.parse(row.failure) as Failure),
    createdAt: row.created_at,
    lastUpdatedAt: row.last_updated_at,
    completedAt: row.completed_at,
    scheduledStartAt: row.scheduled_start_at,
    parent: toParent(row.parent),
  };
}

export function toParent(text: string | null): ParentInstance | null {
  return text === null ? null : (JSON.parse(text) as ParentInstance);
}

/** Stands for the turn where a strike names an activity. */
export const turnOfStrike = -1;

export interface ClaimRow {
  readonly key: string;
  readonly instance_id: string;
  readonly name: string;
  readonly version: string | null;
  readonly execution_id: string;
  readonly status: RuntimeStatus;
  readonly sequence: string;
  readonly crash_count: number;
  readonly custom_status: string | null;
  readonly parent: string | null;
  /** Of one that was taken over. */
  readonly strikes?: string | null;
  readonly trace_context: string | null;
}

/** See `strikesOf` in `sql.ts`. */
function toStrikes(text: string): readonly Strike[] {
  return (JSON.parse(text) as [number, number, string][]).map(([taskScheduledId, count, failure]) => ({
    ...(taskScheduledId === turnOfStrike ? {} : { taskScheduledId }),
    count,
    failure: JSON.parse(failure) as Failure,
  }));
}

export function toClaim(row: ClaimRow, takenOver: boolean): Claim {
  return {
    key: row.key,
    instanceId: row.instance_id,
    name: row.name,
    version: row.version,
    executionId: row.execution_id,
    status: row.status,
    sequence: Number(row.sequence),
    crashCount: row.crash_count,
    customStatus: row.custom_status,
    parent: toParent(row.parent),
    takenOver,
    ...(row.strikes ? { strikes: toStrikes(row.strikes) } : {}),
    ...(row.trace_context === null ? {} : { trace: row.trace_context }),
  };
}

export interface MessageRow {
  readonly instance_key: string;
  readonly id: string;
  readonly visible_at: number;
  readonly execution_id: string | null;
  readonly event: string;
}

/** A message's event is stored without its time, which is the row's. */
export function toMessage(row: MessageRow): Message {
  const event = JSON.parse(row.event) as InboxEvent;
  return {
    id: row.id,
    visibleAt: row.visible_at,
    executionId: row.execution_id,
    event: { ...event, timestamp: row.visible_at },
  };
}

/** The same for a message to an entity. */
export function toEntityMessage(row: MessageRow): EntityMessage {
  return { id: row.id, visibleAt: row.visible_at, event: JSON.parse(row.event) as EntityRequest };
}

/** How the text of a message of one type begins. */
export function startOfMessage(type: InboxEvent['type']): string {
  return `{"type":"${type}"`;
}

export function toMessageText(event: object): string {
  return JSON.stringify(event);
}

/** One history row holds the events of one turn, or a part of them. */
export function toEvents(text: string): readonly HistoryEvent[] {
  return JSON.parse(text) as HistoryEvent[];
}

/** One history row's text. */
export function toHistoryText(events: readonly HistoryEvent[]): string {
  return JSON.stringify(events);
}

/** Largest history row in UTF-16 units; a longer turn takes several rows (decision 14). */
const maxRowLength = 1_048_576;

/** The rows' texts of a turn, in order. */
export function toHistoryTexts(events: readonly HistoryEvent[]): readonly string[] {
  const whole = toHistoryText(events);
  if (whole.length <= maxRowLength) return [whole];
  const texts: string[] = [];
  let part: string[] = [];
  let length = 0;
  for (const event of events) {
    const text = JSON.stringify(event);
    if (part.length > 0 && length + text.length > maxRowLength) {
      texts.push(`[${part.join(',')}]`);
      part = [];
      length = 0;
    }
    part.push(text);
    length += text.length + 1;
  }
  texts.push(`[${part.join(',')}]`);
  return texts;
}

export interface ActivityRow {
  readonly id: string;
  readonly name: string;
  readonly instance_key: string;
  /** The instance's id and, if there is one, its trace context, with a separator between that ids do not hold. */
  readonly instance: string;
  readonly execution_id: string;
  readonly task_scheduled_id: number;
  readonly attempt: number;
  readonly first_scheduled_id: number;
  readonly redelivery: number;
  readonly version: string | null;
  readonly input: string | null;
  readonly tags: string | null;
  readonly waited_ms: number;
  /** Of one that was taken over. */
  readonly crash_count?: number;
  /** Of one that was taken over. */
  readonly strikes?: string | null;
}

export function toQueuedActivity(row: ActivityRow): QueuedActivity {
  const [instanceId = '', trace] = row.instance.split('\u001f');
  return {
    id: row.id,
    instanceKey: row.instance_key,
    instanceId,
    executionId: row.execution_id,
    taskScheduledId: row.task_scheduled_id,
    name: row.name,
    attempt: row.attempt,
    firstScheduledId: row.first_scheduled_id,
    redelivery: row.redelivery,
    waitedMs: row.waited_ms,
    ...(row.version === null ? {} : { version: row.version }),
    ...(row.input === null ? {} : { input: row.input }),
    ...(row.tags === null ? {} : { tags: JSON.parse(row.tags) as Tags }),
    ...(row.strikes ? { strikes: toStrikes(row.strikes) } : {}),
    ...(row.crash_count ? { crashCount: row.crash_count } : {}),
    ...(trace === undefined ? {} : { trace }),
  };
}
