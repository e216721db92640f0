/** Writes results: tables and colours on a terminal, plain lines with tabs for whatever reads a pipe. */
import Table from 'cli-table3';
import pc from 'picocolors';
import { wantsColours } from '../client-config.ts';
import type { RuntimeStatus } from '../model/instance.ts';
import type { Surroundings } from './surroundings.ts';
import { fromNow, localTime } from './times.ts';

export type Colours = ReturnType<typeof pc.createColors>;

export class Printer {
  /** Whether somebody looks. */
  readonly isTerminal: boolean;
  readonly colours: Colours;
  readonly #at: Surroundings;

  constructor(at: Surroundings) {
    this.#at = at;
    this.isTerminal = at.stdout.isTTY === true;
    this.colours = pc.createColors(wantsColours({ env: at.env, isTerminal: this.isTerminal }));
  }

  line(text = ''): void {
    this.#at.stdout.write(`${text}\n`);
  }

  /** Beside the result: not for who reads a pipe. */
  note(text: string): void {
    this.#at.stderr.write(`${text}\n`);
  }

  /**
   * On a terminal with a head line, and cells cut to what fits; else only the rows, whole, with tabs.
   * @param cut the column that gives way when a line is too narrow
   */
  table(head: readonly string[], rows: readonly (readonly string[])[], cut = 0): void {
    if (!this.isTerminal) {
      for (const row of rows) this.line(row.join('\t'));
      return;
    }
    const width = this.#at.stdout.columns ?? 120;
    const fixed = head.reduce((sum, title, column) => {
      const widest = Math.max(title.length, ...rows.map((row) => visibleLength(row[column] ?? '')));
      return column === cut ? sum : sum + widest + gap.length;
    }, 0);
    const room = Math.max(12, width - fixed - gap.length);
    const table = new Table({
      chars: noBorders,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    });
    table.push(head.map((title) => this.colours.dim(title)));
    for (const row of rows) table.push(row.map((cell, column) => (column === cut ? shorten(cell, room) : cell)));
    for (const line of table.toString().split('\n')) this.line(line.trimEnd());
  }

  /** Names and values below each other. */
  fields(pairs: readonly (readonly [name: string, value: string])[]): void {
    if (!this.isTerminal) {
      for (const [name, value] of pairs) this.line(`${name}\t${value}`);
      return;
    }
    const width = Math.max(...pairs.map(([name]) => name.length));
    for (const [name, value] of pairs) this.line(`${this.colours.dim(name.padEnd(width))}  ${value}`);
  }

  /** Relative on a terminal, ISO in a pipe. */
  when(time: Date | null): string {
    if (time === null) return '-';
    return this.isTerminal ? fromNow(time) : time.toISOString();
  }

  /** Both on a terminal. */
  whenExactly(time: Date | null): string {
    if (time === null) return '-';
    return this.isTerminal ? `${localTime(time)} ${this.colours.dim(`(${fromNow(time)})`)}` : time.toISOString();
  }

  status(status: RuntimeStatus): string {
    const { colours } = this;
    switch (status) {
      case 'Completed':
        return colours.green(status);
      case 'Failed':
        return colours.red(status);
      case 'Terminated':
      case 'Canceled':
        return colours.magenta(status);
      case 'Suspended':
        return colours.yellow(status);
      case 'Running':
        return colours.cyan(status);
      case 'Pending':
        return colours.dim(status);
    }
  }
}

const gap = '  ';
const sides = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'];
const inside = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
const noBorders = { ...Object.fromEntries([...sides, ...inside].map((name) => [name, ''])), middle: gap };

/** Text of users may hold what terminals obey: it is shown, not sent. */
export function visible(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) =>
    character === '\n' ? ' ' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function visibleLength(cell: string): number {
  // Colours take no room.
  return cell.replaceAll(/\u001b\[\d+m/g, '').length;
}

export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
