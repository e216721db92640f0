/** Which modules a start loads. */
import { join, resolve, sep } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { StartupError } from './startup-error.ts';

const orderSample = join(packageRoot, 'samples', 'order');

/**
 * The modules given, else the order sample when this is started in Perdure's own folder (`npm start`).
 * @throws StartupError when there is nothing to run
 */
export function chooseModules(request: {
  readonly given: readonly string[];
  readonly workingDirectory: string;
  readonly worker: boolean;
}): readonly string[] {
  if (request.given.length > 0) return request.given.map((path) => resolve(request.workingDirectory, path));
  if (resolve(request.workingDirectory) === resolve(packageRoot)) return [orderSample];
  // HTTP can serve what other processes run.
  if (!request.worker) return [];
  throw new StartupError(
    'no functions to run: pass the file or folder that exports them, for example `perdure start ./functions.mjs`.',
  );
}

/** Whether a module that was loaded is the order sample. */
export function isOrderSample(path: string): boolean {
  return path === orderSample || path.startsWith(orderSample + sep);
}
