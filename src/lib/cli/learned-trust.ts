/**
 * A context follows its daemon when that replaces its CA. While both are accepted, the daemon shows the next one in its answers; it is believed because the
 * connection was authenticated by the one that the context trusts, and from then on both are. As soon as the next one has made the certificate of a
 * connection, it takes the place of the old one.
 *
 * A context that was not used in that time learns nothing: its next connection is refused with DAEMON_IDENTITY_CHANGED before anything is sent.
 */
import { X509Certificate } from 'node:crypto';
import { Contexts, type ContextRecord } from './contexts.js';

export interface Learned {
  /** PEM; null: no answer named one. */
  readonly nextCaPem: string | null;
  /** What the last connection showed, DER; null: there was none. */
  readonly serverCertificate: Buffer | null;
}

/** Keeps what a command has learned of its context. Nothing new costs no write. */
export async function keepLearnedTrust(configDirectory: string, context: string, learned: Learned): Promise<void> {
  const contexts = await Contexts.read(configDirectory);
  if (!contexts.has(context)) return;
  const record = contexts.get(context);
  const after = follow(record, learned);
  if (after === record) return;
  contexts.put(context, after);
  await contexts.save();
}

/** The record itself when there is nothing new. */
export function follow(record: ContextRecord, { nextCaPem, serverCertificate }: Learned): ContextRecord {
  const { caPem, nextCaPem: known, ...rest } = record;
  if (caPem === null) return record;
  if (known !== undefined && serverCertificate !== null && isMadeBy(serverCertificate, known))
    return { ...rest, caPem: known };
  if (nextCaPem === null || isSame(nextCaPem, caPem) || (known !== undefined && isSame(nextCaPem, known)))
    return record;
  const next = readAuthority(nextCaPem);
  return next === null ? record : { ...rest, caPem, nextCaPem: next.toString() };
}

function readAuthority(pem: string): X509Certificate | null {
  try {
    const certificate = new X509Certificate(pem);
    return certificate.ca && certificate.verify(certificate.publicKey) ? certificate : null;
  } catch {
    return null;
  }
}

function isMadeBy(leafDer: Buffer, caPem: string): boolean {
  const [leaf, ca] = [new X509Certificate(leafDer), new X509Certificate(caPem)];
  return leaf.checkIssued(ca) && leaf.verify(ca.publicKey);
}

function isSame(a: string, b: string): boolean {
  return readAuthority(a)?.fingerprint256 === readAuthority(b)?.fingerprint256;
}
