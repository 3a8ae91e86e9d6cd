/** What a URL says about where it leads. */
import { isLoopbackHost } from '../base/proxy.js';

/** Without the brackets of an IPv6 address. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}

export function portOf(url: string): number {
  const { port } = new URL(url);
  return port === '' ? 443 : Number(port);
}

export function isLoopbackUrl(url: string): boolean {
  return isLoopbackHost(hostOf(url));
}
