/** @throws TypeError for a name that no function can have */
export function checkFunctionName(kind: string, name: unknown): void {
  if (typeof name !== 'string' || name.length === 0 || name.length > 256 || /[/\\#?\p{Cc}]/u.test(name)) {
    throw new TypeError(
      `${kind}(name, …): the name must be a text of 1 to 256 characters without / \\ # ? or control characters.`,
    );
  }
}
