/** The service cannot start as it was asked to. The message is one line and says what to do. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}
