/** A file that cannot be imported, or not from some line on; the message is a line for people. */
export class ImportError extends Error {
  override readonly name = 'ImportError';
}
