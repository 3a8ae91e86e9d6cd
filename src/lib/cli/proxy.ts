/**
 * The proxy that somebody set: in the environment, as other programs read it, or else in config.toml, which services read too. Which connections go through it
 * is decided in one place for the node and for this client (`base/proxy.ts`).
 */
import { noProxyEntries, proxyFor, WITHOUT_PROXY, type ProxySettings } from '../base/proxy.js';
import { hostOf, portOf } from './addresses.js';
import type { Directories } from './directories.js';
import { readVariable, type Environment } from './environment.js';
import type { Settings } from './settings.js';

export type ProxyKeys = Pick<Settings, 'get' | 'text' | 'flag' | 'words'>;

/**
 * HTTPS_PROXY goes before ALL_PROXY, a lower-case name before its upper-case one, as in curl, and any of them before the files. What NO_PROXY and
 * `network.no_proxy` except adds up: a service has only the file, and a shell that has both means both.
 */
export function proxySettings(env: Environment, settings: ProxyKeys | null): ProxySettings {
  const variables = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'];
  const variable = variables.find((name) => readVariable(name, env) !== undefined);
  const fromFile = settings?.text('network.https_proxy');
  const exceptions = readVariable('no_proxy', env) ?? readVariable('NO_PROXY', env) ?? '';
  return {
    ...WITHOUT_PROXY,
    ...(variable !== undefined
      ? { url: readVariable(variable, env)!, source: variable }
      : fromFile !== undefined
        ? { url: fromFile, source: 'network.https_proxy' }
        : {}),
    noProxy: [...noProxyEntries(exceptions), ...(settings?.words('network.no_proxy') ?? [])],
    loopback: settings?.flag('network.proxy_loopback') ?? false,
  };
}

/** With the files read for it. Throws CONFIG_INVALID. */
export async function readProxySettings(directories: Directories, env: Environment): Promise<ProxySettings> {
  const { loadSettings } = await import('./settings.js');
  return proxySettings(env, await loadSettings(directories, env));
}

/** For a client of this URL. Throws PROXY_UNUSABLE. */
export function throughProxy(url: string, settings: ProxySettings): { readonly proxy?: string } {
  const proxy = proxyFor(settings, { host: hostOf(url), port: portOf(url) });
  return proxy === null || settings.url === null ? {} : { proxy: settings.url };
}
