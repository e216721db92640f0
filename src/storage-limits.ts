/** How large what is stored may become, as flags and variables say it. */
import { type Environment, integer, setting } from './settings.ts';

/** How large what is stored may become. Lengths are in UTF-16 units of JSON. */
export interface StorageLimitsConfig {
  readonly maxPayloadLength: number;
  readonly maxTurnLength: number;
  readonly maxHistoryLength: number;
  readonly maxHistoryEvents: number;
  readonly maxActionsPerTurn: number;
  readonly maxCustomStatusBytes: number;
  readonly maxInstanceIdLength: number;
}

/** Flags by their names in camel case. */
export type StorageLimitsFlags = Partial<Readonly<Record<keyof StorageLimitsConfig, string>>>;

const mebi = 1_048_576;

/** @throws ConfigError */
export function storageLimitsConfig(flags: StorageLimitsFlags, env: Environment): StorageLimitsConfig {
  const read = (
    name: keyof StorageLimitsConfig,
    range: { readonly from: number; readonly to: number; readonly default: number },
  ): number => {
    const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return integer(
      setting(env, `--${words}`, flags[name], `PERDURE_${words.toUpperCase().replaceAll('-', '_')}`),
      range,
    );
  };
  return {
    maxPayloadLength: read('maxPayloadLength', { from: 1_024, to: 128 * mebi, default: 16 * mebi }),
    maxTurnLength: read('maxTurnLength', { from: 65_536, to: 256 * mebi, default: 64 * mebi }),
    maxHistoryLength: read('maxHistoryLength', { from: 65_536, to: 1_024 * mebi, default: 256 * mebi }),
    maxHistoryEvents: read('maxHistoryEvents', { from: 10, to: 10_000_000, default: 1_000_000 }),
    maxActionsPerTurn: read('maxActionsPerTurn', { from: 1, to: 1_000_000, default: 100_000 }),
    maxCustomStatusBytes: read('maxCustomStatusBytes', { from: 2, to: mebi, default: 16_384 }),
    maxInstanceIdLength: read('maxInstanceIdLength', { from: 32, to: 256, default: 256 }),
  };
}
