/**
 * Where a value comes from: `global:Math.random`, `node:fs.readFile`, `axios.get`. Aliases are followed through `const`,
 * destructuring, imports and `require`; a name that the file itself declares otherwise has no origin.
 */
import type { Scope, SourceCode } from 'eslint';
import { builtinModules } from 'node:module';
import { child, children, isNode, keyOf, nameOf, textOf, unwrap, variableOf, type Node } from './syntax.ts';

const globalObjects = new Set(['globalThis', 'global', 'window', 'self']);
const deepest = 20;

/** @returns `undefined` for what is not known to be a global or of a module */
export function originOf(sourceCode: SourceCode, node: Node | undefined, depth = 0): string | undefined {
  if (node === undefined || depth > deepest) return undefined;
  const expression = unwrap(node);
  switch (expression.type) {
    case 'Identifier':
      return originOfName(sourceCode, expression, depth);
    case 'MemberExpression': {
      const key = keyOf(expression, 'property');
      const owner = originOf(sourceCode, child(expression, 'object'), depth + 1);
      return key === undefined || owner === undefined ? undefined : member(owner, key);
    }
    case 'ImportExpression':
      return moduleName(textOf(child(expression, 'source')));
    case 'AwaitExpression':
      // `const fs = await import('node:fs')`
      return child(expression, 'argument')?.type === 'ImportExpression'
        ? originOf(sourceCode, child(expression, 'argument'), depth + 1)
        : undefined;
    case 'CallExpression':
      return isRequire(sourceCode, expression) ? moduleName(textOf(children(expression, 'arguments')[0])) : undefined;
    default:
      return undefined;
  }
}

/** The declaration of a name, when there is exactly one. */
export function definitionOf(sourceCode: SourceCode, identifier: Node): Scope.Definition | undefined {
  const name = nameOf(identifier);
  const variable = name === undefined ? undefined : variableOf(sourceCode, identifier, name);
  return variable?.defs.length === 1 ? variable.defs[0] : undefined;
}

/** What a `const` was given, when it was given as a whole. */
export function valueOf(definition: Scope.Definition): Node | undefined {
  const declarator = toNode(definition.node);
  if (definition.type !== 'Variable' || !isConst(definition)) return undefined;
  return child(declarator, 'id')?.type === 'Identifier' ? child(declarator, 'init') : undefined;
}

export function toNode(value: unknown): Node | undefined {
  return isNode(value) ? value : undefined;
}

function originOfName(sourceCode: SourceCode, identifier: Node, depth: number): string | undefined {
  const name = nameOf(identifier);
  if (name === undefined) return undefined;
  const variable = variableOf(sourceCode, identifier, name);
  if (variable === undefined || variable.defs.length === 0) {
    return globalObjects.has(name) ? 'global:' : `global:${name}`;
  }
  const [definition] = variable.defs;
  if (definition === undefined || variable.defs.length > 1) return undefined;
  if (definition.type === 'ImportBinding') return originOfImport(definition);
  return definition.type === 'Variable' && isConst(definition)
    ? originOfConst(sourceCode, definition, name, depth)
    : undefined;
}

function originOfImport(definition: Scope.Definition): string | undefined {
  const specifier = toNode(definition.node);
  const module = moduleName(textOf(child(toNode(definition.parent), 'source')));
  if (module === undefined || specifier === undefined) return undefined;
  if (specifier.type !== 'ImportSpecifier') return module;
  const imported = nameOf(child(specifier, 'imported')) ?? textOf(child(specifier, 'imported'));
  return imported === undefined || imported === 'default' ? module : member(module, imported);
}

/** `const now = Date.now`, `const { random } = Math`, `const { promises: { readFile } } = fs`. */
function originOfConst(
  sourceCode: SourceCode,
  definition: Scope.Definition,
  name: string,
  depth: number,
): string | undefined {
  const declarator = toNode(definition.node);
  const owner = originOf(sourceCode, child(declarator, 'init'), depth + 1);
  const path = owner === undefined ? undefined : pathTo(child(declarator, 'id'), name);
  return path?.reduce<string>(member, owner ?? '');
}

/** The keys that lead to a name in a pattern. */
function pathTo(pattern: Node | undefined, name: string): readonly string[] | undefined {
  if (pattern?.type === 'Identifier') return nameOf(pattern) === name ? [] : undefined;
  if (pattern?.type === 'AssignmentPattern') return pathTo(child(pattern, 'left'), name);
  if (pattern?.type !== 'ObjectPattern') return undefined;
  for (const property of children(pattern, 'properties')) {
    const key = keyOf(property, 'key');
    const path = pathTo(child(property, 'value'), name);
    if (key !== undefined && path !== undefined) return [key, ...path];
  }
  return undefined;
}

function member(owner: string, key: string): string {
  if (owner === 'global:') return `global:${key}`;
  return owner === `global:${key}` && globalObjects.has(key) ? owner : `${owner}.${key}`;
}

function moduleName(source: string | undefined): string | undefined {
  if (source === undefined) return undefined;
  return builtinModules.includes(source) ? `node:${source}` : source;
}

function isConst(definition: Scope.Definition): boolean {
  return toNode(definition.parent)?.['kind'] === 'const';
}

function isRequire(sourceCode: SourceCode, call: Node): boolean {
  return originOf(sourceCode, child(call, 'callee')) === 'global:require';
}
