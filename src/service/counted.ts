/** Numbers of instances in what people read. */

/** `1 instance was`, `7 instances were`. */
export function instancesWere(count: number): string {
  return count === 1 ? '1 instance was' : `${count} instances were`;
}
