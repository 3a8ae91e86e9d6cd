/** Which proxy a daemon is reached through, by the variables that other programs read too. This machine itself is never reached through one. */
import { isLoopbackUrl } from './addresses.js';
import { readVariable, type Environment } from './environment.js';

/** A URL, or null. HTTPS_PROXY goes before ALL_PROXY, a lower-case name before its upper-case one, as in curl. */
export function proxyFor(url: string, env: Environment = process.env): string | null {
  if (isLoopbackUrl(url)) return null;
  const read = (name: string) => readVariable(name.toLowerCase(), env) ?? readVariable(name, env);
  const proxy = read('HTTPS_PROXY') ?? read('ALL_PROXY');
  if (proxy === undefined || isExcluded(new URL(url), read('NO_PROXY') ?? '')) return null;
  const withScheme = proxy.includes('://') ? proxy : `http://${proxy}`;
  // What is no HTTP proxy cannot be used; the connection then fails with its own words rather than silently go around.
  return withScheme;
}

function isExcluded({ hostname, port }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, name = '', onlyPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      if (onlyPort !== undefined && onlyPort !== (port === '' ? '443' : port)) return false;
      const suffix = name.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
      return host === suffix || host.endsWith(`.${suffix}`);
    });
}
