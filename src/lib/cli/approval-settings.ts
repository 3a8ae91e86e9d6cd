/**
 * `[node.approvals."desktop.open_url"]` in config.toml: what may happen on this machine without asking (`allow`), how long a person has (`timeout`), and
 * whether a question waits for `palyra node approvals` although nobody watches (`wait`). The user's file beats the machine's, key by key.
 */
import { PalyraError } from '../base/errors.js';
import { parseApprovalKey, type ApprovalKey } from './approval-keys.js';
import type { Directories } from './directories.js';
import { parseDuration } from './durations.js';
import { settingsFiles } from './settings.js';
import { readSettings, type SettingEntry } from './settings-file.js';

export interface ApprovalSettings {
  readonly allow: Record<string, readonly string[]>;
  readonly timeoutMs: Record<string, number>;
  readonly wait: Record<string, boolean>;
}

const MAX_PATTERNS = 256;
/** From long enough to read to a working day. */
const TIMEOUT_MS = { min: 1_000, max: 8 * 3_600_000 } as const;

/** Throws CONFIG_INVALID naming file, line and key. */
export async function loadApprovalSettings(directories: Pick<Directories, 'config'>): Promise<ApprovalSettings> {
  const settings: ApprovalSettings = { allow: {}, timeoutMs: {}, wait: {} };
  const { user, system } = settingsFiles(directories);
  for (const file of [system, user]) {
    for (const entry of (await readSettings(file)) ?? []) {
      const parsed = parseApprovalKey(entry.key);
      if (parsed !== null) take(settings, parsed, entry, file);
    }
  }
  return settings;
}

function take(settings: ApprovalSettings, { capability, what }: ApprovalKey, entry: SettingEntry, file: string): void {
  const { value, line, key } = entry;
  const refuse = (detail: string): never => {
    throw new PalyraError('CONFIG_INVALID', {
      detail: `${file}${line === null ? '' : `:${line}`}: ${key}: ${detail}`,
      details: { file, key, line },
    });
  };
  if (what === 'allow') {
    const isList =
      Array.isArray(value) && value.length <= MAX_PATTERNS && value.every((text) => typeof text === 'string');
    settings.allow[capability] = isList ? value : refuse('it must be a list, such as ["https://*.corp.example/*"]');
  } else if (what === 'wait') {
    settings.wait[capability] = typeof value === 'boolean' ? value : refuse('it must be true or false');
  } else {
    const ms = typeof value === 'string' ? durationOf(value) : null;
    const fits = ms !== null && ms >= TIMEOUT_MS.min && ms <= TIMEOUT_MS.max;
    settings.timeoutMs[capability] = fits ? ms : refuse('it must be a duration from 1s to 8h, such as "60s"');
  }
}

function durationOf(text: string): number | null {
  try {
    return parseDuration(text);
  } catch {
    return null;
  }
}
