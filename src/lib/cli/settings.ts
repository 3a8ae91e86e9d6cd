/**
 * The settings that hold, and where each comes from: environment, the user's file, the machine's file, built in. Flags are the command's own and beat all of
 * them. A key that this version does not know is told once and kept where it is; a value that cannot be right is refused, naming the file and the line.
 */
import { join, resolve } from 'node:path';
import { PalyraError } from '../base/errors.js';
import type { Directories } from './directories.js';
import { readVariable, type Environment } from './environment.js';
import { readSettings, type SettingEntry } from './settings-file.js';
import { isApprovalKey } from './approval-keys.js';
import { nearestKey, SETTING_KEYS, settingKey, type SettingKey, type SettingValue } from './settings-keys.js';

export type SettingOrigin = 'env' | 'user' | 'system' | 'default';

export interface Setting {
  readonly key: string;
  readonly value: SettingValue | null;
  readonly origin: SettingOrigin;
  /** The file it is in, or null. */
  readonly file: string | null;
  readonly line: number | null;
}

export interface UnknownSetting {
  readonly key: string;
  readonly file: string;
  readonly line: number | null;
  readonly near: string | null;
}

export class Settings {
  readonly unknown: readonly UnknownSetting[];
  readonly #known: ReadonlyMap<string, Setting>;

  constructor(known: ReadonlyMap<string, Setting>, unknown: readonly UnknownSetting[]) {
    this.#known = known;
    this.unknown = unknown;
  }

  /** As it may be shown: without a password. Throws USAGE_INVALID for a key that there is not. */
  get(key: string): Setting {
    const { shown } = settingKey(key);
    const setting = this.#held(key);
    return shown === undefined || setting.value === null ? setting : { ...setting, value: shown(setting.value) };
  }

  /** As they may be shown. */
  list(): Setting[] {
    return SETTING_KEYS.map(({ key }) => this.get(key));
  }

  /** What somebody has said; undefined when nobody has, so that the built-in value stays in one place. */
  text(key: string): string | undefined {
    const { value, origin } = this.#held(key);
    return origin === 'default' || typeof value !== 'string' ? undefined : value;
  }
  number(key: string): number | undefined {
    const { value, origin } = this.#held(key);
    return origin === 'default' || typeof value !== 'number' ? undefined : value;
  }
  flag(key: string): boolean | undefined {
    const { value, origin } = this.#held(key);
    return origin === 'default' || typeof value !== 'boolean' ? undefined : value;
  }
  words(key: string): readonly string[] | undefined {
    const { value, origin } = this.#held(key);
    return origin === 'default' || !Array.isArray(value) ? undefined : value;
  }

  #held(key: string): Setting {
    return this.#known.get(settingKey(key).key)!;
  }

  /** One line for each key that is not known. */
  warnings(): string[] {
    return this.unknown.map(
      ({ key, file, line, near }) =>
        `${file}${line === null ? '' : `:${line}`}: there is no setting "${key}"${near === null ? '' : `; did you mean ${near}?`}`,
    );
  }
}

/** With `PALYRA_HOME` the machine's file is below it too, in `etc`. `PALYRA_CONFIG` names another file of the user. */
export function settingsFiles(
  directories: Pick<Directories, 'config'>,
  env: Environment = process.env,
): { readonly user: string; readonly system: string } {
  const home = readVariable('PALYRA_HOME', env);
  const named = readVariable('PALYRA_CONFIG', env);
  return {
    user: named === undefined ? join(directories.config, 'config.toml') : resolve(named),
    system: home === undefined ? '/etc/palyra/config.toml' : join(resolve(home), 'etc', 'config.toml'),
  };
}

/** Throws CONFIG_INVALID naming file, line and key. */
export async function loadSettings(directories: Directories, env: Environment = process.env): Promise<Settings> {
  const { user, system } = settingsFiles(directories, env);
  const files = [
    { origin: 'user', file: user, entries: (await readSettings(user)) ?? [] },
    { origin: 'system', file: system, entries: (await readSettings(system)) ?? [] },
  ] as const;
  const known = new Map(SETTING_KEYS.map((row) => [row.key, fromEnvironment(row, env) ?? fallbackOf(row)]));
  const unknown: UnknownSetting[] = [];
  for (const { origin, file, entries } of files) {
    for (const entry of entries) {
      const row = SETTING_KEYS.find(({ key }) => key === entry.key);
      const { key, line } = entry;
      if (row === undefined && isApprovalKey(key)) continue;
      if (row === undefined) unknown.push({ key, file, line, near: nearestKey(key) });
      // Checked even when something beats it: a mistake that waits is found by nobody.
      else {
        const value = checked(row, entry, file);
        if (known.get(key)?.origin === 'default') known.set(key, { key, value, origin, file, line });
      }
    }
  }
  return new Settings(known, unknown);
}

function fallbackOf({ key, fallback }: SettingKey): Setting {
  return { key, value: fallback, origin: 'default', file: null, line: null };
}

/** A word that cannot be right is left to whoever reads the variable, as ever. */
function fromEnvironment({ key, variable }: SettingKey, env: Environment): Setting | null {
  const value = variable === undefined ? undefined : readVariable(variable, env);
  return value === undefined ? null : { key, value, origin: 'env', file: null, line: null };
}

function checked(row: SettingKey, { key, value, line }: SettingEntry, file: string): SettingValue {
  try {
    return row.check(value);
  } catch (error) {
    const { detail } = PalyraError.from(error);
    throw new PalyraError('CONFIG_INVALID', {
      detail: `${file}${line === null ? '' : `:${line}`}: ${key}: ${detail ?? 'not valid'}`,
      details: { file, key, line },
      cause: error,
    });
  }
}
