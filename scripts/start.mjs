/**
 * `npm start`: builds what is stale, then runs `perdure start` with the arguments given, all in this one process. The
 * script line says `exec`: npm's SIGTERM would end a shell in between and leave the service running. (On Windows, where
 * cmd knows no exec: `node scripts/start.mjs`.)
 */
import { fileURLToPath } from 'node:url';
import { buildOrExit } from './build.mjs';

buildOrExit({ onlyIfStale: true });
const main = new URL('../dist/main.js', import.meta.url);
process.argv = [process.execPath, fileURLToPath(main), 'start', ...process.argv.slice(2)];
await import(main.href);
