/**
 * Which line of user code is running: the first frame of the stack that is not the engine's. Looking costs some 10 µs, so
 * it is done only when an error is made, and in the run that is repeated to explain one (`explain.ts`). Lines of
 * TypeScript are those of the source where its loader says so, as `tsx` and `node --enable-source-maps` do.
 */

/** Frames of this folder and its neighbours are the engine's. */
const engine = new URL('../../', import.meta.url).pathname;
const deepestStack = 100;

/** `file:line:column` of the user's code that called the engine; `undefined` when no code of a user did. */
export function callSite(): string | undefined {
  const limit = Error.stackTraceLimit;
  // Between user and engine there may be more than the usual ten frames.
  Error.stackTraceLimit = deepestStack;
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, callSite);
  Error.stackTraceLimit = limit;
  return siteIn(holder.stack);
}

/** The same for a stack that an error has. Code of packages counts only when there is none of the user's own. */
export function siteIn(stack: string | undefined): string | undefined {
  let inPackage: string | undefined;
  for (const line of (stack ?? '').split('\n')) {
    const site = toSite(line);
    if (site === undefined) continue;
    if (!site.includes('/node_modules/')) return site;
    inPackage ??= site;
  }
  return inPackage;
}

function toSite(line: string): string | undefined {
  const [, place, position] = /^\s+at (?:.*?\()?((?:file:\/\/|\/|[A-Za-z]:[\\/]).*?)(:\d+:\d+)\)?$/.exec(line) ?? [];
  if (place === undefined || position === undefined) return undefined;
  // A loader may have put a query behind the name.
  const path = place.startsWith('file://') ? toPath(place) : place.replace(/\?.*$/, '');
  return path.startsWith(engine) ? undefined : `${path}${position}`;
}

function toPath(url: string): string {
  try {
    return decodeURIComponent(new URL(url).pathname);
  } catch {
    return url;
  }
}
