/** The blocks of code of the README and the pages below docs, and who executes them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blocksOf, type Block } from '../support/page.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface PageBlock extends Block {
  readonly page: string;
  readonly name: string;
}

const pages = ['README.md', ...pagesBelow('docs')];
export const blocks: readonly PageBlock[] = pages.flatMap((page) =>
  blocksOf(readFileSync(join(root, page), 'utf8')).map((block) => ({ ...block, page, name: `${page}:${block.line}` })),
);

function pagesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    .sort();
}

/** Drawings, changes and what programs say: nothing that could be run. */
export const noCode = ['text', 'mermaid', 'diff'];

/** Why a block is not executed, if it says so. */
export function excuseOf({ info }: PageBlock): string | undefined {
  return /^no-test(?:=|: )(.{5,})$/.exec(info)?.[1];
}

/** Who executes a block. */
export function runnerOf(block: PageBlock): 'types' | 'json' | 'yaml' | 'sql' | 'shell' | 'elsewhere' | undefined {
  switch (block.language) {
    case 'ts':
    case 'js':
      // A piece of a sample: it is compiled and run there, and compared by samples.test.ts.
      return block.text.startsWith('// samples/') ? 'elsewhere' : 'types';
    case 'json':
      return 'json';
    case 'yaml':
      return 'yaml';
    case 'sql':
      return 'sql';
    case 'sh':
      return isWalked(block) ? 'elsewhere' : 'shell';
    default:
      return undefined;
  }
}

/** The lines of the README that samples.test.ts follows. */
const journey = { from: lineOf('## The order journey'), to: lineOf('## Write your own functions') };

function lineOf(heading: string): number {
  const line = readFileSync(join(root, 'README.md'), 'utf8').split('\n').indexOf(heading);
  if (line < 0) throw new Error(`the README has no ${heading}`);
  return line;
}

/** Whether another test file follows the page. */
function isWalked({ page, line }: PageBlock): boolean {
  const concept = /^docs\/concepts\/([\w-]+)\.md$/.exec(page)?.[1];
  if (concept !== undefined) return existsSync(join(root, 'samples', concept));
  if (page === 'README.md') return line > journey.from && line < journey.to;
  return page === 'docs/tutorial.md';
}

/** Those that do not say why they are not. */
export const tested = blocks.filter((block) => excuseOf(block) === undefined);
