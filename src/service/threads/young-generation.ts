/**
 * A thread that reaches the limit of its memory gets 16 MiB more from V8, in which it is ended. A garbage collection at that
 * moment may move a whole semi-space into the old generation: when it is larger than that, V8 ends the process instead of the
 * thread. Measured on Node 20, 22 and 24: of 16 MiB, the default, only threads ended; 24 was too much for one of them. The
 * `maxYoungGenerationSizeMb` of a thread's limits counts for nothing beside the flag.
 */
import { setFlagsFromString } from 'node:v8';
import { environment } from '../../config.ts';

const maxSemiSpaceMb = 16;

/** Limits the young generation of threads that begin from now on; that of the main thread stays as Node was told. */
export function limitYoungGeneration(): void {
  const flags = [environment['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' ');
  const given = [...flags.matchAll(/--max[-_]semi[-_]space[-_]size[= ](\d+)/g)].at(-1)?.[1];
  if (Number(given ?? 0) > maxSemiSpaceMb) setFlagsFromString(`--max-semi-space-size=${maxSemiSpaceMb}`);
}
