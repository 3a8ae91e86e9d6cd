/** Names that lead where a test wants: what asks `node:dns/promises` meanwhile is answered from a table, in its order. */
import type { LookupAddress } from 'node:dns';
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isIPv6 } from 'node:net';

/** Returns what ends it. A name without an address does not exist; one that is not in the table goes to the system. */
export function nameTo(table: Readonly<Record<string, readonly string[]>>): () => void {
  const { lookup } = dns;
  const answer = async (name: string, ...options: unknown[]): Promise<LookupAddress[]> => {
    const addresses = table[name];
    if (addresses === undefined) return (lookup as (...words: unknown[]) => Promise<LookupAddress[]>)(name, ...options);
    if (addresses.length === 0) throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    return addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  };
  Object.assign(dns, { lookup: answer });
  syncBuiltinESMExports();
  return () => {
    Object.assign(dns, { lookup });
    syncBuiltinESMExports();
  };
}
