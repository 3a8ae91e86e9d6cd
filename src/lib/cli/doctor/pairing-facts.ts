/** What doctor reads of this machine's pairing: the public half of `identity.json`. The private key is never opened. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readPrivateFile } from '../../base/files.js';
import { parseBoundedJson } from '../../base/json.js';

export interface PairingFacts {
  readonly name: string;
  readonly daemonName: string;
  /** `https://host:port` it was paired through. */
  readonly publicEndpoint: string;
  readonly trustBundle: readonly string[];
  readonly certificate: { readonly notBefore: number; readonly notAfter: number };
}

/** Null when this machine is not paired. Throws what is wrong with the file. */
export async function readPairingFacts(nodeState: string): Promise<PairingFacts | null> {
  const bytes = await readPrivateFile(join(nodeState, 'identity.json'));
  if (bytes === null) return null;
  const identity = parseBoundedJson(bytes.toString('utf8')) as unknown as Omit<PairingFacts, 'certificate'> & {
    readonly certificatePem: string;
  };
  const { validFrom, validTo } = new X509Certificate(identity.certificatePem);
  const { name, daemonName, publicEndpoint, trustBundle } = identity;
  const certificate = { notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) };
  return { name, daemonName, publicEndpoint, trustBundle, certificate };
}
