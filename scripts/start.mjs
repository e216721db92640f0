/**
 * `npm start`: builds what is stale, then runs `perdure start` with the arguments given, in this one process, so that
 * signals reach it. (As two commands of a shell line, a SIGTERM would end the shell and leave the service.)
 */
import { fileURLToPath } from 'node:url';
import { buildOrExit } from './build.mjs';

buildOrExit({ onlyIfStale: true });
const main = new URL('../dist/main.js', import.meta.url);
process.argv = [process.execPath, fileURLToPath(main), 'start', ...process.argv.slice(2)];
await import(main.href);
