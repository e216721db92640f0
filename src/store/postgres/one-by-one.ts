/** Runs the members of a batch each by itself, in order: a bad one must not harm the others (decision 11). */
export async function oneByOne<Item, Result>(
  items: readonly Item[],
  run: (item: Item) => Promise<readonly (Result | Promise<Result>)[]>,
): Promise<readonly Promise<Result>[]> {
  const results: Promise<Result>[] = [];
  for (const item of items) {
    const result = run(item).then(([only]) => {
      if (only === undefined) throw new Error('a single item returned no result');
      return only;
    });
    results.push(result);
    await result.catch(() => undefined); // its caller gets the rejection through the list
  }
  return results;
}
