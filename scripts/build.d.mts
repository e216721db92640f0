export function build(options?: {
  readonly root?: string;
  readonly onlyIfStale?: boolean;
  readonly quiet?: boolean;
}): boolean;
