/** What callers give, as query parameters of the API. */
import { refuse } from '../client/arguments.ts';
import { existingPolicies, type StartSettings } from '../client/client.ts';
import { DurableError } from '../model/errors.ts';
import { type InstanceFilter, type Tags, tagsProblem, versionProblem } from '../model/instance.ts';
import type { Answer } from './answers.ts';

type Value = string | readonly string[] | undefined;
type Parameters = Readonly<Record<string, Value>>;
/** Every setting of a start but its id has its parameter; does not compile when one is missing. */
type StartParameters = Readonly<Record<Exclude<keyof StartSettings, 'instanceId' | 'tags'> | 'tag', Value>>;

/** @throws DurableError `InvalidArgument` for a date that is none */
export function dateText(name: string, date: Date | undefined): string | undefined {
  if (date === undefined) return undefined;
  if (date instanceof Date && !Number.isNaN(date.getTime())) return date.toISOString();
  throw new DurableError('InvalidArgument', `${name} must be a valid Date.`);
}

/** The token of the next page; a header that is empty says that there is none. */
export function tokenOf({ headers }: Answer): { readonly continuationToken?: string } {
  const token = headers.get('x-ms-continuation-token') ?? '';
  return token === '' ? {} : { continuationToken: token };
}

/** @throws DurableError `InvalidArgument` */
export function startParameters({
  version,
  tags,
  startAt,
  onExisting,
  completionWebhook,
}: StartSettings): StartParameters {
  if (version !== undefined) refuse(versionProblem(version));
  if (tags !== undefined) refuse(tagsProblem(tags));
  if (onExisting !== undefined && !existingPolicies.some((policy) => policy === onExisting)) {
    refuse(`Over HTTP, onExisting must be one of ${existingPolicies.join(', ')}.`);
  }
  return {
    version,
    tag: tagTexts(tags),
    startAt: startAt instanceof Date ? dateText('startAt', startAt) : durationText(startAt),
    onExisting: typeof onExisting === 'string' ? onExisting : undefined,
    completionWebhook,
  };
}

/** The service reads them, and says what is wrong with one. */
function durationText(duration: string | number | undefined): string | undefined {
  return typeof duration === 'number' ? `${duration}ms` : duration;
}

/** @throws DurableError `InvalidArgument` */
export function filterParameters(filter: InstanceFilter): Parameters {
  return {
    createdTimeFrom: dateText('createdFrom', filter.createdFrom),
    createdTimeTo: dateText('createdTo', filter.createdTo),
    runtimeStatus: filter.runtimeStatus,
    instanceIdPrefix: filter.instanceIdPrefix,
    name: filter.name,
    version: filter.version,
    tag: tagTexts(filter.tags),
  };
}

/** @throws DurableError `InvalidArgument` for a name that the form `name=value` cannot hold */
function tagTexts(tags: Tags = {}): readonly string[] {
  return Object.entries(tags).map(([name, value]) => {
    if (name.includes('=')) refuse("Over HTTP the name of a tag must not contain the character '='.");
    return `${name}=${value}`;
  });
}
