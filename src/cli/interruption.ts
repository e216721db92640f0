let controller: AbortController | undefined;

/**
 * Aborts with the first Ctrl-C; the second ends the process. Only from the first call on: commands that do not ask end at
 * once, as programs do.
 */
export function interruption(): AbortSignal {
  if (controller === undefined) {
    const first = new AbortController();
    controller = first;
    process.once('SIGINT', () => first.abort());
  }
  return controller.signal;
}
