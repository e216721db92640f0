/**
 * Finds the HTTP trigger for a path. Routes are those of Azure Functions: literals without regard to case, `{name}`,
 * `{name?}` and `{*rest}` at the end. (Fastify's router would shift parameters when it ignores case; see canonical-url.ts.)
 */
import type { HttpMethod, HttpTriggerDefinition } from '../../client/http-trigger.ts';

/** A trigger and what its route's parameters stand for. */
export interface TriggerMatch {
  readonly trigger: HttpTriggerDefinition;
  readonly params: Readonly<Record<string, string>>;
}

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'optional'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string };

interface Entry {
  readonly trigger: HttpTriggerDefinition;
  readonly segments: readonly Segment[];
}

export class TriggerTable {
  readonly #entries: readonly Entry[];

  /** @throws TypeError for a route that cannot be read, or that two triggers share for one method */
  constructor(triggers: readonly HttpTriggerDefinition[]) {
    const entries = triggers.map((trigger) => ({ trigger, segments: parseRoute(trigger) }));
    refuseDuplicates(entries);
    this.#entries = entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
  }

  /** @param path below `/api/`, still percent-encoded */
  find(method: string, path: string): TriggerMatch | undefined {
    const parts = path.split('/').map((part) => decodeURIComponent(part));
    while (parts.at(-1) === '') parts.pop();
    for (const { trigger, segments } of this.#entries) {
      if (!trigger.methods.some((one: HttpMethod) => one === method)) continue;
      const params = match(segments, parts);
      if (params !== undefined) return { trigger, params };
    }
    return undefined;
  }
}

function parseRoute(trigger: HttpTriggerDefinition): Segment[] {
  if (trigger.route === '') return [];
  const texts = trigger.route.split('/');
  return texts.map((text, at) => parseSegment(trigger, text, at === texts.length - 1));
}

function parseSegment(trigger: HttpTriggerDefinition, text: string, isLast: boolean): Segment {
  if (!/[{}]/.test(text) && text !== '') return { kind: 'literal', text: text.toLowerCase() };
  const [, star, name, question] = /^\{(\*?)(\w+)(\??)\}$/.exec(text) ?? [];
  if (name === undefined || ((star === '*' || question === '?') && !isLast) || (star === '*' && question === '?')) {
    throw new TypeError(
      `http('${trigger.name}', …): the route segment '${text}' is not supported. Use literals and {name}, and at the end ` +
        '{name?} or {*name}.',
    );
  }
  return { kind: star === '*' ? 'rest' : question === '?' ? 'optional' : 'parameter', name };
}

function match(segments: readonly Segment[], parts: readonly string[]): Record<string, string> | undefined {
  const found: [name: string, value: string][] = [];
  for (const [at, segment] of segments.entries()) {
    const part = parts[at];
    if (segment.kind === 'rest') {
      found.push([segment.name, parts.slice(at).join('/')]);
      return Object.fromEntries(found);
    }
    if (part === undefined || part === '') {
      if (segment.kind === 'optional' && part === undefined) continue;
      return undefined;
    }
    if (segment.kind === 'literal') {
      if (part.toLowerCase() !== segment.text) return undefined;
    } else {
      found.push([segment.name, part]);
    }
  }
  return parts.length > segments.length ? undefined : Object.fromEntries(found);
}

/** Sorts the more particular route first, whatever the order of definition. */
function rank({ segments }: Entry): string {
  return segments.map(({ kind }) => ({ literal: 'a', parameter: 'b', optional: 'c', rest: 'd' })[kind]).join('');
}

function refuseDuplicates(entries: readonly Entry[]): void {
  const taken = new Map<string, HttpTriggerDefinition>();
  for (const { trigger, segments } of entries) {
    const shape = segments.map((one) => (one.kind === 'literal' ? one.text : `{${one.kind}}`)).join('/');
    for (const method of trigger.methods) {
      const other = taken.get(`${method} ${shape}`);
      if (other !== undefined) {
        throw new TypeError(
          `http('${trigger.name}', …): ${method} /api/${trigger.route} is served by '${other.name}' already.`,
        );
      }
      taken.set(`${method} ${shape}`, trigger);
    }
  }
}
