/** Every item of the conformance checklist has a test that is named by its number, or a reason why not. */
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

/** As many as section 6 of the reference has. */
const items = 264;

/** What no test can show. */
const exceptions: Readonly<Record<number, string>> = {
  215: 'asks what a service answers that cannot rewind; this one can',
};

/** Files whose first line says that their numbers are those of the checklist: others count the examples of other pages. */
const ofChecklist = /^\/\*\* .*\(http-api\.md 6[.)]/;

/** `#7`, or `#33 - #37` for all from one to the other, outside of comments. */
const numbers = /#(\d+)(?: - #(\d+))?/g;

async function numbersInTests(): Promise<ReadonlySet<number>> {
  const folder = new URL('.', import.meta.url);
  const found = new Set<number>();
  for (const name of (await readdir(folder)).filter((one) => one.endsWith('.test.ts'))) {
    const text = await readFile(new URL(name, folder), 'utf8');
    if (!ofChecklist.test(text)) continue;
    const code = text.split('\n').filter((line) => !/^\s*(?:\/\/|\/?\*)/.test(line));
    for (const [, first, last = first] of code.join('\n').matchAll(numbers)) {
      for (let number = Number(first); number <= Number(last); number += 1) found.add(number);
    }
  }
  return found;
}

test('every number of the checklist is in the name of a test, but for the exceptions', async () => {
  const found = await numbersInTests();
  const missing = Array.from({ length: items }, (_, index) => index + 1).filter((number) => !found.has(number));
  expect(missing).toEqual(Object.keys(exceptions).map(Number));
});

test('no test has a number that the checklist does not have', async () => {
  const found = [...(await numbersInTests())];
  expect(found.filter((number) => number < 1 || number > items)).toEqual([]);
});
