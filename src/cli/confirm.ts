/** Questions to who sits at a terminal. */
import type { Surroundings } from './surroundings.ts';

/**
 * Asks before something that cannot be undone.
 * @returns `false` for no
 */
export async function confirmed(at: Surroundings, message: string): Promise<boolean> {
  const { confirm } = await import('@inquirer/prompts');
  return await confirm(
    { message, default: false },
    {
      input: at.stdin as unknown as NodeJS.ReadableStream,
      output: at.stderr as unknown as NodeJS.WritableStream,
      signal: at.signal,
    },
  );
}
