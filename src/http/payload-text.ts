/** Stored text as JSON text (A7: embedded, never parsed and written again). */

/** Text that the engine guarantees to be JSON; absent shows as `null`, blank as `""`. */
export function payloadText(text: string | null | undefined): string {
  if (text === null || text === undefined) return 'null';
  return text.charCodeAt(0) > 32 ? text : text.trim() || '""';
}

/**
 * A reason, which clients write as JSON or as plain text: JSON only when the whole text is one JSON value. (The real
 * service stops after the first token and shows `12 monkeys` as `12`.)
 */
export function presentFreeText(text: string | null | undefined): string {
  if (text === null || text === undefined) return 'null';
  const trimmed = text.trim();
  if (trimmed === '') return '""';
  return isJson(trimmed) ? trimmed : JSON.stringify(text);
}

/** Shape first: reasons are usually words, and a thrown error costs much more than a test. */
function isJson(text: string): boolean {
  if (!/^(?:[[{"\-\d]|true$|false$|null$)/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
