/** The names of Durable Task for spans and their attributes, so that what was made for it understands ours. */

export const tracerName = 'Microsoft.DurableTask';

export const attribute = {
  type: 'durabletask.type',
  name: 'durabletask.task.name',
  version: 'durabletask.task.version',
  instanceId: 'durabletask.task.instance_id',
  executionId: 'durabletask.task.execution_id',
  status: 'durabletask.task.status',
  taskId: 'durabletask.task.task_id',
  fireAt: 'durabletask.fire_at',
  targetInstanceId: 'durabletask.event.target_instance_id',
  operation: 'durabletask.entity.operation',
  entityId: 'durabletask.entity.instance_id',
} as const;

/** `type:name`, with a version `type:name@(version)`. */
export function spanName(type: string, name: string, version?: string | null): string {
  return version === undefined || version === null || version === ''
    ? `${type}:${name}`
    : `${type}:${name}@(${version})`;
}
