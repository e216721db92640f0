/** The documentation leads somewhere: links between its pages, and from them to files of the project. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pagesBelow('docs'), ...pagesBelow('samples')];

function pagesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join(folder, path));
}

/** The anchors that a page's headings make, as GitHub makes them. */
function anchorsOf(path: string): readonly string[] {
  const text = readFileSync(path, 'utf8').replaceAll(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it.each(pages)('every link of %s leads to a file that is there, and to a heading in it', (page) => {
  const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```.*?^```/gms, '');
  const links = [...text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)];
  const dead = links.filter(([, path = '', anchor]) => {
    const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !(statSync(target).isFile() && anchorsOf(target).includes(anchor));
  });
  expect(dead.map(([link]) => link)).toEqual([]);
});

it('what the comparison says of speed is what the benchmark measured', () => {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const results = read('bench/RESULTS.md');
  const first = results.slice(results.indexOf('## W1:'), results.indexOf('## W1burst'));
  const said = [...read('docs/comparison.md').matchAll(/^\| ([\w-]+) \| ([\d.]+) × \|$/gm)];
  expect(said).toHaveLength(6);
  for (const [, system = '', times] of said) {
    const measured = new RegExp(`^\\| ${system} \\|.*\\| ([\\d.]+) × \\|`, 'm').exec(first)?.[1];
    // Runs differ; the page need not follow each of them.
    expect(Number(times) / Number(measured), system).toBeGreaterThan(0.7);
    expect(Number(times) / Number(measured), system).toBeLessThan(1.3);
  }
});
