/**
 * Which functions of a file are orchestrators: those given to `orchestration(name, …)` of perdure or to
 * `app.orchestration(name, …)` of durable-functions, and the functions of the file that those call.
 */
import type { SourceCode } from 'eslint';
import { contextMembers } from './context-members.ts';
import { definitionOf, originOf, toNode, valueOf } from './origins.ts';
import { child, children, isFunction, keyOf, nameOf, parentOf, rootOf, walk, type Node } from './syntax.ts';

/** A function whose code is replayed. */
export interface ReplayedFunction {
  readonly node: Node;
  /** How its context is called: `ctx`, or `context.df`; `undefined` when it has none. */
  readonly context: string | undefined;
}

const found = new WeakMap<SourceCode, readonly ReplayedFunction[]>();
/** Functions given to these are not replayed, wherever they stand. */
const definitions = new Set(['activity', 'http', 'entity', 'tokenProvider']);

/** All of a file; asked for by each rule, looked for once. */
export function replayedFunctions(sourceCode: SourceCode): readonly ReplayedFunction[] {
  const known = found.get(sourceCode);
  if (known !== undefined) return known;
  const replayed = follow(sourceCode, entryPoints(sourceCode));
  found.set(sourceCode, replayed);
  return replayed;
}

/** Visits the code that is replayed, each node once. */
export function walkReplayed(sourceCode: SourceCode, visit: (node: Node, within: ReplayedFunction) => void): void {
  const seen = new Set<Node>();
  for (const within of replayedFunctions(sourceCode)) {
    walk(sourceCode, within.node, (node) => {
      if (seen.has(node) || (node !== within.node && isOtherDefinition(node))) return false;
      seen.add(node);
      visit(node, within);
      return true;
    });
  }
}

/** The function that a call runs, when this file has it. */
export function calledFunction(sourceCode: SourceCode, callee: Node | undefined): Node | undefined {
  if (callee === undefined) return undefined;
  if (isFunction(callee)) return callee;
  if (callee.type === 'Identifier') return functionOfName(sourceCode, callee);
  return callee.type === 'MemberExpression' ? methodOf(sourceCode, callee) : undefined;
}

/** A body, and whether it gets the context of durable-functions. */
interface EntryPoint {
  readonly body: Node;
  readonly isDf: boolean;
}

function entryPoints(sourceCode: SourceCode): readonly EntryPoint[] {
  const entries: EntryPoint[] = [];
  walk(sourceCode, rootOf(sourceCode), (node) => {
    if (node.type === 'CallExpression' && isOrchestrationCall(sourceCode, node)) {
      for (const argument of children(node, 'arguments').slice(1)) {
        const body = calledFunction(sourceCode, argument) ?? handlerIn(sourceCode, argument);
        if (body !== undefined) entries.push({ body, isDf: isOfDurableFunctions(sourceCode, node) });
      }
    }
    return true;
  });
  return entries;
}

function isOrchestrationCall(sourceCode: SourceCode, call: Node): boolean {
  const callee = child(call, 'callee');
  if (callee?.type === 'MemberExpression') return keyOf(callee, 'property') === 'orchestration';
  // A name of the file's own is something else.
  return originOf(sourceCode, callee)?.endsWith('.orchestration') ?? false;
}

function isOfDurableFunctions(sourceCode: SourceCode, call: Node): boolean {
  const callee = child(call, 'callee');
  return callee?.type === 'MemberExpression' && originOf(sourceCode, callee)?.startsWith('perdure.') !== true;
}

/** `{ handler: function* … }`. */
function handlerIn(sourceCode: SourceCode, options: Node): Node | undefined {
  for (const property of children(options, 'properties')) {
    if (keyOf(property, 'key') === 'handler') return calledFunction(sourceCode, child(property, 'value'));
  }
  return undefined;
}

function follow(sourceCode: SourceCode, entries: readonly EntryPoint[]): readonly ReplayedFunction[] {
  const replayed = new Map<Node, ReplayedFunction>();
  const ofDf = new Set(entries.filter(({ isDf }) => isDf).map(({ body }) => body));
  const waiting = entries.map(({ body }) => body);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (replayed.has(node)) continue;
    const within = node;
    replayed.set(node, { node, context: contextOf(sourceCode, node, ofDf.has(node)) });
    walk(sourceCode, node, (inner) => {
      if (inner !== within && isOtherDefinition(inner)) return false;
      if (inner.type === 'CallExpression' || inner.type === 'NewExpression') {
        const called = calledFunction(sourceCode, child(inner, 'callee'));
        if (called !== undefined) waiting.push(called);
      }
      return true;
    });
  }
  return [...replayed.values()];
}

function isOtherDefinition(node: Node): boolean {
  const call = parentOf(node);
  if (!isFunction(node) || call?.type !== 'CallExpression') return false;
  const callee = child(call, 'callee');
  const name = callee?.type === 'MemberExpression' ? keyOf(callee, 'property') : nameOf(callee);
  return name !== undefined && definitions.has(name);
}

function functionOfName(sourceCode: SourceCode, identifier: Node): Node | undefined {
  const definition = definitionOf(sourceCode, identifier);
  if (definition === undefined) return undefined;
  if (definition.type === 'FunctionName') return toNode(definition.node);
  const value = valueOf(definition);
  return isFunction(value) ? value : undefined;
}

/** `this.step()`, `Steps.run`, `steps.run` of an object or of an instance that the file makes. */
function methodOf(sourceCode: SourceCode, member: Node): Node | undefined {
  const key = keyOf(member, 'property');
  const owner = child(member, 'object');
  if (key === undefined || owner === undefined) return undefined;
  if (owner.type === 'ThisExpression') return methodIn(classAround(member), key);
  const value = owner.type === 'Identifier' ? valueOfName(sourceCode, owner) : owner;
  if (value?.type === 'NewExpression') return methodIn(valueOfName(sourceCode, child(value, 'callee')), key);
  return methodIn(value, key);
}

function valueOfName(sourceCode: SourceCode, node: Node | undefined): Node | undefined {
  if (node?.type !== 'Identifier') return node;
  const definition = definitionOf(sourceCode, node);
  if (definition?.type === 'ClassName') return toNode(definition.node);
  return definition === undefined ? undefined : valueOf(definition);
}

function methodIn(owner: Node | undefined, key: string): Node | undefined {
  const members =
    owner?.type === 'ObjectExpression' ? children(owner, 'properties') : children(child(owner, 'body'), 'body');
  const value = child(
    members.find((candidate) => keyOf(candidate, 'key') === key),
    'value',
  );
  return isFunction(value) ? value : undefined;
}

function classAround(node: Node): Node | undefined {
  let around = parentOf(node);
  while (around !== undefined && !around.type.startsWith('Class')) around = parentOf(around);
  return around?.type === 'ClassBody' ? parentOf(around) : around;
}

/** The first parameter of an entry, or the one that is called like a context. */
function contextOf(sourceCode: SourceCode, node: Node, isDf: boolean): string | undefined {
  const parameters = children(node, 'params').map(nameOf);
  const name = parameters.find((parameter) => parameter === 'ctx' || parameter === 'context') ?? parameters[0];
  if (name === undefined) return undefined;
  let usesContext = false;
  let usesDf = isDf;
  walk(sourceCode, node, (inner) => {
    if (inner.type === 'MemberExpression' && nameOf(child(inner, 'object')) === name) {
      usesContext ||= contextMembers.has(keyOf(inner, 'property') ?? '');
      usesDf ||= keyOf(inner, 'property') === 'df';
    }
    return true;
  });
  if (usesDf) return `${name}.df`;
  return usesContext || name === 'ctx' || name === 'context' ? name : undefined;
}
