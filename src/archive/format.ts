/**
 * Instances as JSON Lines: a header, a line for each instance with everything that is stored of it, and a last line that
 * says how many there were. Files of retention have no last line: they grow as long as something is removed.
 */
import type { StoredInstance } from '../store/archive-store.ts';

/** Raised by changes that a reader must know of. */
export const archiveVersion = 1;

/** The first line of a file. */
export interface ArchiveHeader {
  readonly perdure: 'instances';
  readonly version: number;
  readonly taskHub: string;
  readonly exportedAt: string;
  /** Whether the lines have histories. */
  readonly history: boolean;
  /** Whether a last line is promised. */
  readonly closed: boolean;
}

export function headerLine(fields: Omit<ArchiveHeader, 'perdure' | 'version'>): string {
  return `${JSON.stringify({ perdure: 'instances', version: archiveVersion, ...fields } satisfies ArchiveHeader)}\n`;
}

export function endLine(instances: number): string {
  return `${JSON.stringify({ end: { instances } })}\n`;
}

/** Stored JSON goes in as it is: it was made by JSON.stringify and has no line ends. */
export function instanceLine(stored: StoredInstance, withHistory: boolean): string {
  const { tags, failure, parent, history, ...plain } = stored;
  const rows = history.map(({ sequence, events }) => `{"sequence":${sequence},"events":${events}}`);
  const raw = [
    `"tags":${tags ?? 'null'}`,
    `"failure":${failure ?? 'null'}`,
    `"parent":${parent ?? 'null'}`,
    ...(withHistory ? [`"history":[${rows.join(',')}]`] : []),
  ];
  return `${JSON.stringify(plain).slice(0, -1)},${raw.join(',')}}\n`;
}
