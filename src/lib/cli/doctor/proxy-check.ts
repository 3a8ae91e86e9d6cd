/** Which way this machine takes to its daemon. A proxy is named by scheme, host and port; its password is in no text. */
import { PalyraError } from '../../base/errors.js';
import { proxyFor, type ProxySettings } from '../../base/proxy.js';
import { hostOf, portOf } from '../addresses.js';
import type { Check, Finding } from './check.js';
import type { PairingFacts } from './pairing-facts.js';

const FILE_SOURCE = 'network.https_proxy';

export interface ProxyFacts {
  readonly proxy: () => Promise<ProxySettings>;
  /** `network.no_proxy` as it is now. */
  readonly exceptions: () => Promise<readonly string[]>;
  readonly pairing: () => Promise<PairingFacts | null>;
}

export function proxyCheck({ proxy, exceptions, pairing }: ProxyFacts): Check {
  return {
    id: 'network.proxy',
    run: async () => proxyFinding(await proxy(), (await pairing())?.publicEndpoint ?? null, await exceptions()),
  };
}

/** Null when the daemon of this machine is reached straight. Throws PROXY_UNUSABLE. */
export async function proxyOnTheWay({ proxy, pairing }: Omit<ProxyFacts, 'exceptions'>): Promise<string | null> {
  const facts = await pairing();
  if (facts === null) return null;
  return wayTo(await proxy(), facts.publicEndpoint)?.shown ?? null;
}

/** A proxy that a shell happens to set is rarely meant for a daemon in the same network; one in config.toml is. */
export function proxyFinding(
  settings: ProxySettings,
  endpoint: string | null,
  exceptions: readonly string[] = [],
): Finding {
  const { url, source } = settings;
  if (url === null) return { status: 'pass', detail: 'no proxy is set' };
  if (endpoint === null) return { status: 'skip', detail: `${source} is set; this machine is not paired` };
  const host = hostOf(endpoint);
  const fix = `palyra config set network.no_proxy ${[...exceptions, host].join(' ')}`;
  try {
    const proxy = wayTo(settings, endpoint);
    if (proxy === null) return { status: 'pass', detail: `${source} is set, and ${host} is reached without it` };
    if (source === FILE_SOURCE)
      return { status: 'pass', detail: `${host} is reached through the proxy ${proxy.shown} (${source})` };
    const words = `${source} is set; ${host} is not in NO_PROXY`;
    return { status: 'warn', detail: `${words}: it is reached through the proxy ${proxy.shown}`, fix };
  } catch (error) {
    return { status: 'fail', detail: PalyraError.from(error).message, fix };
  }
}

function wayTo(settings: ProxySettings, endpoint: string) {
  return proxyFor(settings, { host: hostOf(endpoint), port: portOf(endpoint) });
}
