/** A parent's turn and its sub-orchestrations: their starts, and their end with it. */
import type { CreateSubOrchestration } from '../../model/actions.ts';
import type { HistoryEvent, SubOrchestrationInstanceCreated } from '../../model/history.ts';
import type { Tags } from '../../model/instance.ts';
import { childInstanceId } from '../../model/sub-orchestration.ts';
import type { Version } from '../../model/versions.ts';
import type { NewChild, OutgoingMessage, OwnedInstance } from '../../model/work.ts';
import type { ExecutionState } from './execution-state.ts';

/** The parent's turn. */
export interface ParentTurn {
  readonly instance: OwnedInstance;
  readonly state: ExecutionState;
  readonly opened: { readonly newEvents: readonly HistoryEvent[] };
  readonly takeChild?: ((name: string, version: Version) => boolean) | undefined;
  readonly newExecutionId: () => string;
}

/** A call as the child that it creates. It inherits the parent's tags; its own win. */
export function toChild(call: CreateSubOrchestration, turn: ParentTurn): NewChild {
  const { instance, state } = turn;
  const { id, name, instanceId, input, version } = call;
  const tags = { ...tagsOf(turn), ...call.tags };
  const mayExist = instanceId !== childInstanceId(state.executionId, id);
  return {
    instanceId,
    mayExist,
    owned: !mayExist && turn.takeChild?.(name, version) === true,
    start: {
      type: 'ExecutionStarted',
      name,
      executionId: turn.newExecutionId(),
      ...(input === undefined ? {} : { input }),
      ...(version === undefined ? {} : { version }),
      ...(Object.keys(tags).length === 0 ? {} : { tags }),
      parent: {
        key: instance.key,
        instanceId: instance.instanceId,
        executionId: state.executionId,
        name: instance.name,
        taskScheduledId: id,
      },
    },
  };
}

/** A call of a rewound execution whose child is to begin anew. What is left of it under its id is replaced. */
export function toChildAgain(
  { eventId: id, name, instanceId, input, version, tags }: SubOrchestrationInstanceCreated,
  turn: ParentTurn,
): NewChild {
  const call = {
    ...{ type: 'CreateSubOrchestration' as const, id, name, instanceId },
    ...(input === undefined ? {} : { input }),
    ...(version === undefined ? {} : { version }),
    ...(tags === undefined ? {} : { tags }),
  };
  return { ...toChild(call, turn), mayExist: true, owned: false };
}

/** The tags of the execution, which may begin with this turn. */
export function tagsOf({ state, opened }: Pick<ParentTurn, 'state' | 'opened'>): Tags | undefined {
  if (state.started) return state.tags;
  return opened.newEvents.find((event) => event.type === 'ExecutionStarted')?.tags;
}

/** Every live child ends by itself and tells its own (decision 15). */
export function terminateChildren(state: ExecutionState, reason: string | undefined): readonly OutgoingMessage[] {
  return [...(state.openChildren?.values() ?? [])].map((instanceId) => ({
    target: { kind: 'child', instanceId },
    event: { type: 'ExecutionTerminated', recursive: true, ...(reason === undefined ? {} : { reason }) },
  }));
}
