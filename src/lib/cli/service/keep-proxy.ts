/**
 * A service has no variables of the shell that installed it, and a unit is no place for a password. So the proxy that the daemon was reached through goes into
 * config.toml, which only its owner can read and which the service reads at its start.
 */
import { proxyFor, withoutPassword, type Place } from '../../base/proxy.js';
import type { Directories } from '../directories.js';
import type { Environment } from '../environment.js';
import type { Output } from '../output.js';
import { proxySettings } from '../proxy.js';
import { loadSettings, settingsFiles } from '../settings.js';
import { editSettings } from '../settings-file.js';
import { shortPath } from './service-story.js';

export interface KeptProxy {
  /** Without its password. */
  readonly url: string;
  /** Null: it was not written. */
  readonly file: string | null;
}

/** Null when the daemon is reached without a variable of this shell. Throws CONFIG_INVALID, PROXY_UNUSABLE, STATE_*. */
export async function keepProxy(
  {
    directories,
    env,
    output,
  }: { readonly directories: Directories; readonly env: Environment; readonly output: Output },
  { daemon, write }: { readonly daemon: Place; readonly write: boolean },
): Promise<KeptProxy | null> {
  const settings = await loadSettings(directories, env);
  const here = proxySettings(env, settings);
  const there = proxySettings({}, settings);
  if (here.url === null || here.url === there.url || proxyFor(here, daemon) === null) return null;
  const url = withoutPassword(here.url);
  const file = settingsFiles(directories, env).user;
  if (there.url !== null) {
    output.warn(
      `The service uses ${withoutPassword(there.url)} of ${shortPath(file)}, not ${here.source} of this shell`,
    );
    return { url, file: null };
  }
  if (!write) {
    output.warn(
      `${here.source} is set here, and the service will not have it. To keep the proxy for it: palyra node install --keep-proxy`,
    );
    return { url, file: null };
  }
  await editSettings(file, 'network.https_proxy', here.url);
  if (here.noProxy.length > 0) await editSettings(file, 'network.no_proxy', here.noProxy);
  output.done(`Wrote the proxy of ${here.source} to ${shortPath(file)}: the service has no variables of this shell`);
  return { url, file };
}
