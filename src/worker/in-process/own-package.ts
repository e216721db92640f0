/**
 * TypeScript of users is loaded in a namespace of `tsx`, which goes on to all that it imports: a second copy of Perdure and of
 * everything that it stands on would be loaded and compiled, in each thread. Here `perdure` leads out of the namespace, to the
 * copy that runs: a start takes half the time, and `error instanceof TaskFailedError` means the same in user code and outside.
 */
import module from 'node:module';
import { pathToFileURL } from 'node:url';

type Resolve = (specifier: string, context: ResolveContext, next: NextResolve) => unknown;
type NextResolve = (specifier: string, context: ResolveContext) => unknown;
interface ResolveContext {
  readonly parentURL?: string | undefined;
}

/** What `node:module` has beyond its types, depending on the version of Node. */
interface Loaders {
  /** Node 22.15 and later. */
  readonly registerHooks?: (hooks: { readonly resolve: Resolve }) => void;
  _resolveFilename: (request: string, parent: unknown, ...rest: readonly unknown[]) => string;
}
const loaders = module as unknown as Loaders;

/**
 * Asks Node where `perdure` is, seen from the file that imports it. Also runs in the thread of Node's module hooks, from its
 * text: it knows nothing but its arguments.
 */
function resolverOf({ createRequire }: Pick<typeof module, 'createRequire'>, toUrl: (path: string) => string): Resolve {
  let asks = false;
  return (specifier, context, next) => {
    if (asks || !/^perdure(\/|$)/.test(specifier) || context.parentURL?.startsWith('file:') !== true) {
      return next(specifier, context);
    }
    asks = true; // where hooks are synchronous, the question comes by here, too
    try {
      return { url: toUrl(createRequire(context.parentURL).resolve(specifier)), format: 'module', shortCircuit: true };
    } catch {
      return next(specifier, context); // not there: whoever is next says so
    } finally {
      asks = false;
    }
  };
}

/** What `require('perdure')` asked before anybody stood in between. */
const resolveFilename = loaders._resolveFilename;

/** Call after `tsx` was registered: the last one in is asked first. */
export function shareOwnPackage(): void {
  if (loaders.registerHooks === undefined) {
    const hook = `import module from 'node:module'; import { pathToFileURL } from 'node:url';
      export const resolve = (${resolverOf.toString()})(module, (path) => pathToFileURL(path).href);`;
    module.register(`data:text/javascript,${encodeURIComponent(hook)}`);
  } else {
    loaders.registerHooks({ resolve: resolverOf(module, (path) => pathToFileURL(path).href) });
  }
  const inBetween = loaders._resolveFilename;
  loaders._resolveFilename = (request, ...rest) =>
    /^perdure(\/|$)/.test(request)
      ? resolveFilename.call(module, request, ...rest)
      : inBetween.call(module, request, ...rest);
}
