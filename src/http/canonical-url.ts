/**
 * Brings the URL of a management request into the one form that the routes are written in, before routing: one mount,
 * lower-case fixed segments, no slashes too many. The router's own switches do not fit: it lower-cases whole paths,
 * which shifts parameters when a letter's lower case is longer (`İ`), and it would merge the slashes of
 * `instances//terminate`, which must match nothing.
 */

/** The mount that links point to, and the only one that the OpenAPI document shows. */
export const mount = '/runtime/webhooks/durabletask';

/** The mount itself, that of the local RPC listener (language workers use it), and that of Functions host v1. */
const mounts = [mount, '/durabletask', '/admin/extensions/durabletaskextension'];

/** What most requests look like; these are canonical already. */
const canonical =
  /^\/runtime\/webhooks\/durabletask\/(?:instances\/[^/?#]+|orchestrators\/[^/?#]+(?:\/[^/?#]+)?)(?=[?#]|$)/;

/** Scheme and authority of a request target in absolute form, as proxies send it. */
const origin = /^https?:\/\/[^/?#]*/i;

export function canonicalUrl(url: string): string {
  if (canonical.test(url)) return url;
  const { path, tail } = splitTarget(url);
  const at = mountOf(path);
  if (at === undefined) return path + tail;
  return mount + canonicalRest(path.slice(at.length)) + tail;
}

/** The path of a request target as it was sent, and its query, `?` included. */
export function splitTarget(url: string): { readonly path: string; readonly tail: string } {
  const local = url.startsWith('/') ? url : url.replace(origin, '') || '/';
  const end = local.search(/[?#]/);
  return end === -1 ? { path: local, tail: '' } : { path: local.slice(0, end), tail: local.slice(end) };
}

/** The part of a path as sent that is a mount, in whatever case; `undefined` when the path is not below one. */
export function mountOf(path: string): string | undefined {
  const lower = path.toLowerCase();
  const found = mounts.find(
    (one) => lower.startsWith(one) && (lower.length === one.length || lower[one.length] === '/'),
  );
  return found === undefined ? undefined : path.slice(0, found.length);
}

function canonicalRest(rest: string): string {
  const segments = rest.replace(/^\/+|\/+$/g, '').split('/');
  // An empty inner segment matches nothing; neither does the bare mount.
  if (segments.includes('')) return '';
  const [collection = '', id, operation, ...more] = segments;
  const fixed = [collection.toLowerCase()];
  if (id !== undefined) fixed.push(fixed[0] === 'bulk' ? id.toLowerCase() : id);
  if (operation !== undefined) fixed.push(canonicalOperation(fixed[0], operation));
  return `/${[...fixed, ...more].join('/')}`;
}

function canonicalOperation(collection: string | undefined, operation: string): string {
  if (collection !== 'instances') return operation;
  const lower = operation.toLowerCase();
  return lower === 'raiseevent' ? 'raiseEvent' : lower;
}
