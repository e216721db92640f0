/**
 * Syntax trees as these rules read them: of whatever parser, so every property is looked at before it is believed.
 * Wrappers that mean nothing at run time (`as`, `!`, `satisfies`, optional chains, parentheses) are looked through.
 */
import type { AST, Rule, Scope, SourceCode } from 'eslint';

/** Any node. */
export interface Node {
  readonly type: string;
  readonly parent?: unknown;
  readonly loc?: AST.SourceLocation;
  readonly range?: readonly [number, number];
  readonly [property: string]: unknown;
}

const wrappers = new Set([
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
  'ChainExpression',
  'ParenthesizedExpression',
]);
const functions = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** A property that holds a node, unwrapped. */
export function child(node: Node | undefined, property: string): Node | undefined {
  const value = node?.[property];
  return isNode(value) ? unwrap(value) : undefined;
}

/** A property that holds a list of nodes; holes and others are left out. */
export function children(node: Node | undefined, property: string): readonly Node[] {
  const value = node?.[property];
  return Array.isArray(value) ? value.filter(isNode).map(unwrap) : [];
}

/** What a node stands in, wrappers left out. */
export function parentOf(node: Node): Node | undefined {
  let around = node.parent;
  while (isNode(around) && wrappers.has(around.type)) around = around.parent;
  return isNode(around) ? around : undefined;
}

export function unwrap(node: Node): Node {
  let inner = node;
  while (wrappers.has(inner.type) && isNode(inner['expression'])) inner = inner['expression'];
  return inner;
}

export function isFunction(node: Node | undefined): boolean {
  return node !== undefined && functions.has(node.type);
}

/** The function that a node stands in. */
export function functionAround(node: Node): Node | undefined {
  let around = parentOf(node);
  while (around !== undefined && !isFunction(around)) around = parentOf(around);
  return around;
}

/** The name of an identifier. */
export function nameOf(node: Node | undefined): string | undefined {
  const isNamed = node?.type === 'Identifier' || node?.type === 'PrivateIdentifier';
  return isNamed && typeof node['name'] === 'string' ? node['name'] : undefined;
}

/** The key of a member expression, property or method, when it is written out. */
export function keyOf(node: Node, property: 'property' | 'key'): string | undefined {
  const key = child(node, property);
  if (key?.type === 'Literal') return typeof key['value'] === 'string' ? key['value'] : undefined;
  return node['computed'] === true ? undefined : nameOf(key);
}

/** The value of a literal text. */
export function textOf(node: Node | undefined): string | undefined {
  return node?.type === 'Literal' && typeof node['value'] === 'string' ? node['value'] : undefined;
}

/** Calls `visit` for a node and everything in it, unless that says no. */
export function walk(sourceCode: SourceCode, node: Node, visit: (node: Node) => boolean): void {
  if (!visit(node)) return;
  for (const key of sourceCode.visitorKeys[node.type] ?? []) {
    const value = node[key];
    if (Array.isArray(value)) value.filter(isNode).forEach((inner) => walk(sourceCode, inner, visit));
    else if (isNode(value)) walk(sourceCode, value, visit);
  }
}

/** The root of a file. */
export function rootOf(sourceCode: SourceCode): Node {
  const root: unknown = sourceCode.ast;
  if (!isNode(root)) throw new TypeError('The parser has given no syntax tree.');
  return root;
}

/** What a name means at a place; `undefined` for what no scope of the file declares. */
export function variableOf(sourceCode: SourceCode, node: Node, name: string): Scope.Variable | undefined {
  // Here the types of the linter begin, which know one parser's nodes.
  let scope: Scope.Scope | null = sourceCode.getScope(node as unknown as Rule.Node);
  while (scope !== null) {
    const variable = scope.set.get(name);
    if (variable !== undefined) return variable;
    scope = scope.upper;
  }
  return undefined;
}

/** Where a node stands in the text. */
export function rangeOf(node: Node): [number, number] {
  if (node.range === undefined) throw new TypeError('The parser has given no ranges.');
  return [node.range[0], node.range[1]];
}
