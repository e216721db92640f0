/** Whether what an orchestrator awaits is a task, as far as the file tells. */
import type { SourceCode } from 'eslint';
import { compoundMethods, taskMethods } from './context-members.ts';
import { calledFunction } from './orchestrators.ts';
import { definitionOf, originOf, valueOf } from './origins.ts';
import { child, children, isFunction, keyOf, nameOf, rangeOf, type Node } from './syntax.ts';

/** What is known of an awaited value. */
export type Durability =
  | { readonly kind: 'durable' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'foreign'; readonly what: string }
  /** `Promise.any`, for which there is no deterministic order of failures. */
  | { readonly kind: 'promise-any' };

const durable = { kind: 'durable' } as const;
const unknown = { kind: 'unknown' } as const;
const deepest = 10;

export interface Classified {
  readonly sourceCode: SourceCode;
  /** Names of functions that the user says give tasks. */
  readonly tasks: ReadonlySet<string>;
  /** What contexts are called in this file. */
  readonly contexts: ReadonlySet<string>;
}

export function durabilityOf(given: Classified, node: Node | undefined, depth = 0): Durability {
  if (node === undefined || depth > deepest) return unknown;
  const again = (inner: Node | undefined): Durability => durabilityOf(given, inner, depth + 1);
  switch (node.type) {
    case 'CallExpression':
      return ofCall(given, node, depth);
    case 'NewExpression':
      return originOf(given.sourceCode, child(node, 'callee')) === 'global:Promise'
        ? foreign('new Promise(…)')
        : unknown;
    case 'ImportExpression':
      return foreign('import(…)');
    case 'ConditionalExpression':
      return worst([again(child(node, 'consequent')), again(child(node, 'alternate'))]);
    case 'LogicalExpression':
      return worst([again(child(node, 'left')), again(child(node, 'right'))]);
    case 'SequenceExpression':
      return again(children(node, 'expressions').at(-1));
    case 'ArrayExpression':
      return worst(children(node, 'elements').map(again));
    case 'SpreadElement':
      return again(child(node, 'argument'));
    case 'Identifier': {
      const definition = definitionOf(given.sourceCode, node);
      return definition === undefined ? unknown : again(valueOf(definition));
    }
    default:
      return unknown;
  }
}

function ofCall(given: Classified, call: Node, depth: number): Durability {
  const { sourceCode, tasks } = given;
  const callee = child(call, 'callee');
  const method = callee?.type === 'MemberExpression' ? keyOf(callee, 'property') : undefined;
  const name = method ?? nameOf(callee);
  const origin = originOf(sourceCode, callee);
  if (origin?.startsWith('global:Promise.') === true) return ofPromise(given, call, { origin, depth });
  if (name !== undefined && tasks.has(name)) return durable;
  if (callee?.type === 'MemberExpression') {
    if (method !== undefined && origin === undefined) {
      if (taskMethods.has(method) || compoundMethods.has(method)) return durable;
    }
    // `task.then(…)`, `sayHello(city).withRetry(…)`, `list.map((x) => ctx.callActivity(…))`
    if (['then', 'catch', 'finally', 'withRetry'].includes(method ?? '')) {
      return durabilityOf(given, child(callee, 'object'), depth + 1);
    }
    if (method === 'map' || method === 'flatMap') return ofCallback(given, children(call, 'arguments')[0], depth);
  }
  // It is looked at itself.
  if (calledFunction(sourceCode, callee) !== undefined) return durable;
  if (origin === undefined || isContextGiven(given, call)) return unknown;
  return foreign(`${sourceCode.text.slice(...rangeOf(callee ?? call))}(…)`);
}

function ofPromise(
  given: Classified,
  call: Node,
  { origin, depth }: { readonly origin: string; readonly depth: number },
): Durability {
  const [argument] = children(call, 'arguments');
  switch (origin) {
    case 'global:Promise.all':
    case 'global:Promise.allSettled':
    case 'global:Promise.race':
      return durabilityOf(given, argument, depth + 1);
    case 'global:Promise.any':
      return { kind: 'promise-any' };
    case 'global:Promise.resolve': {
      const inner = durabilityOf(given, argument, depth + 1);
      return inner.kind === 'durable' ? durable : foreign('Promise.resolve(…)');
    }
    default:
      return foreign(`${origin.replace('global:', '')}(…)`);
  }
}

/** What a callback gives: its expression, or what it returns. */
function ofCallback(given: Classified, callback: Node | undefined, depth: number): Durability {
  if (!isFunction(callback)) return unknown;
  const body = child(callback, 'body');
  if (body?.type !== 'BlockStatement') return durabilityOf(given, body, depth + 1);
  const returned = children(body, 'body').filter(({ type }) => type === 'ReturnStatement');
  return worst(returned.map((statement) => durabilityOf(given, child(statement, 'argument'), depth + 1)));
}

/** A helper of another file that gets the context awaits tasks of it. */
function isContextGiven({ contexts }: Classified, call: Node): boolean {
  return children(call, 'arguments').some((argument) => {
    const name = nameOf(argument) ?? (argument.type === 'MemberExpression' ? keyOf(argument, 'property') : undefined);
    return name !== undefined && contexts.has(name);
  });
}

function worst(all: readonly Durability[]): Durability {
  return (
    all.find(({ kind }) => kind === 'foreign' || kind === 'promise-any') ??
    (all.length > 0 && all.every(({ kind }) => kind === 'durable') ? durable : unknown)
  );
}

function foreign(what: string): Durability {
  return { kind: 'foreign', what };
}

/** Whether a call gives a task of the context itself, by its method. */
export function isTaskCall(node: Node): boolean {
  const callee = child(node, 'callee');
  if (node.type !== 'CallExpression' || callee?.type !== 'MemberExpression') return false;
  return taskMethods.has(keyOf(callee, 'property') ?? '');
}
