/** What the query string of a start says beside what Azure knows: tags, a later time, what to do when the id is taken. */
import { existingPolicies, type StartSettings } from '../client/client.ts';
import { DurableError } from '../model/errors.ts';
import type { Tags } from '../model/instance.ts';
import type { Query } from './query.ts';
import { parseInstant } from './instants.ts';

/** @throws DurableError `InvalidArgument` for values that mean nothing */
export function startSettings(
  query: Query,
): Pick<StartSettings, 'completionWebhook' | 'onExisting' | 'startAt' | 'tags' | 'version'> {
  const version = query.text('version');
  const tags = tagsOf(query.all('tag'));
  const startAt = query.value('startAt');
  const completionWebhook = query.value('completionWebhook');
  const onExisting = onExistingOf(query.value('onExisting'));
  return {
    ...(version === undefined ? {} : { version }),
    ...(tags === undefined ? {} : { tags }),
    // What is no instant is a duration, which the client reads.
    ...(startAt === undefined ? {} : { startAt: parseInstant(startAt) ?? startAt }),
    ...(onExisting === undefined ? {} : { onExisting }),
    ...(completionWebhook === undefined ? {} : { completionWebhook }),
  };
}

/** Each is `name=value`; of a repeated name the last one wins. */
export function tagsOf(texts: readonly string[]): Tags | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals <= 0) {
        throw new DurableError(
          'InvalidArgument',
          "The query parameter 'tag' must be name=value, such as tag=team=payments.",
        );
      }
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

function onExistingOf(word: string | undefined): (typeof existingPolicies)[number] | undefined {
  if (word === undefined) return undefined;
  const found = existingPolicies.find((policy) => policy === word.toLowerCase());
  if (found === undefined) {
    throw new DurableError(
      'InvalidArgument',
      `The query parameter 'onExisting' must be one of ${existingPolicies.join(', ')}.`,
    );
  }
  return found;
}
