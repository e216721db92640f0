import { Command } from 'commander';
import { entityInstanceId, parseEntityId } from '../../model/entity-id.ts';
import type { EntityMetadata } from '../../model/entity-work.ts';
import { CliError, exitCodes } from '../exit.ts';
import { shorten, visible } from '../printer.ts';
import { connect, onService, type Connected, type ServiceFlags } from '../service.ts';
import type { Surroundings } from '../surroundings.ts';
import { count } from '../values.ts';

interface EntitiesFlags extends ServiceFlags {
  readonly prefix?: string;
  readonly limit: number;
}

/** `perdure entities`. */
export function entitiesCommand(at: Surroundings): Command {
  return onService(new Command('entities'))
    .summary('list entities, or show one')
    .description('Lists entities with their states, or shows the one that is named.')
    .argument('[entityId]', 'such as @counter@k1')
    .option('--prefix <id>', '`@name`, or `@name@` and the beginning of a key')
    .option('--limit <number>', 'at most so many', count, 50)
    .action(async (entityId: string | undefined, flags: EntitiesFlags) => {
      const service = connect(at, flags);
      if (entityId === undefined) return list(service, flags);
      const { client, printer, json } = service;
      const entity = await client.getEntity(readEntityId(entityId));
      if (entity === undefined) {
        throw new CliError(
          exitCodes.notFound,
          `there is no entity '${visible(entityId)}': perdure entities lists them.`,
        );
      }
      if (json) return printer.line(JSON.stringify(presented(entity)));
      printer.fields([
        ['entity', visible(entity.instanceId)],
        ['exists', String(entity.exists)],
        ['last modified', printer.whenExactly(entity.lastModifiedAt)],
        ['waiting messages', String(entity.backlogSize)],
        ['locked by', entity.lockedBy === null ? '-' : visible(entity.lockedBy)],
        ['state', visible(entity.state ?? '-')],
      ]);
    });
}

/** @throws CliError */
export function readEntityId(text: string): { readonly name: string; readonly key: string } {
  const id = parseEntityId(text);
  if (id !== undefined) return id;
  throw new CliError(
    exitCodes.usage,
    `'${visible(text)}' is no entity: one is written @name@key, such as @counter@k1.`,
  );
}

async function list({ client, printer, json }: Connected, flags: EntitiesFlags): Promise<void> {
  const filter = flags.prefix === undefined ? {} : { instanceIdPrefix: flags.prefix };
  const { entities } = await client.listEntities(filter, { limit: Math.min(1_000, flags.limit) });
  if (json) return printer.line(JSON.stringify(entities.map(presented)));
  if (entities.length === 0) return printer.note('There are no such entities.');
  printer.table(
    ['ENTITY', 'MODIFIED', 'WAITING', 'LOCKED BY', 'STATE'],
    entities.map((entity) => [
      visible(entityInstanceId(entity)),
      printer.when(entity.lastModifiedAt),
      String(entity.backlogSize),
      entity.lockedBy === null ? '-' : visible(entity.lockedBy),
      visible(shorten(entity.state ?? '-', 200)),
    ]),
    4,
  );
}

/** The state stays JSON text, as `stored-entities` of the API shows it. */
function presented(entity: EntityMetadata): object {
  return { ...entity, lastModifiedAt: entity.lastModifiedAt.toISOString() };
}
