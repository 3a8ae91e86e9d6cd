/**
 * Who a daemon says it is, before anything is trusted: the CA in the chain of its handshake, checked to be whole, and nothing sent but the handshake.
 * Whether it is the right one is decided by a pin, by what was stored, or by a person.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { checkServerIdentity, type DetailedPeerCertificate } from 'node:tls';
import { PalyraError } from '../base/errors.js';
import { reachDetail } from './reach.js';
import { dialTls, type DialTarget } from './tls-dial.js';

export interface DaemonIdentity {
  readonly caPem: string;
  /** SHA-256 of the certificate's DER; lower-case hex. */
  readonly caFingerprint: string;
}

/** Longer chains than this are not of a palyra daemon, which sends two. */
const MAX_CHAIN = 8;

/**
 * The CA as the daemon shows it: it signs itself, it signed the certificate of this connection, that one is for this host, and now. Null when the
 * chain ends in no CA of its own: then it is for the authorities that this machine trusts to vouch for it. Throws DAEMON_UNREACHABLE, ANSWER_INVALID.
 */
export async function readDaemonIdentity(target: DialTarget): Promise<DaemonIdentity | null> {
  let peer: DetailedPeerCertificate;
  try {
    // No authorities at all: the chain then holds what was sent, and nothing that this machine would add to it.
    const socket = await dialTls(target, { ca: [], rejectUnauthorized: false });
    peer = socket.getPeerCertificate(true);
    socket.destroy();
  } catch (error) {
    const known = PalyraError.from(error);
    throw known.reason === 'INTERNAL'
      ? new PalyraError('DAEMON_UNREACHABLE', { detail: reachDetail(error), cause: error })
      : known;
  }
  const [leaf, ...others] = chainOf(peer);
  if (leaf === undefined) throw new PalyraError('ANSWER_INVALID', { detail: 'it shows no certificate' });
  const ca = others.findLast((candidate) => candidate.ca && isIssuedBy(candidate, candidate));
  if (ca === undefined) return null;
  if (!isIssuedBy(leaf, ca)) {
    throw new PalyraError('ANSWER_INVALID', { detail: 'its certificate was not made by the identity it shows' });
  }
  const wrongName = checkServerIdentity(target.host, peer);
  if (wrongName !== undefined) {
    throw new PalyraError('DAEMON_UNREACHABLE', { detail: nameDetail(target.host, peer), cause: wrongName });
  }
  const now = Date.now();
  for (const certificate of [leaf, ca]) {
    if (Date.parse(certificate.validFrom) > now || Date.parse(certificate.validTo) < now) {
      throw new PalyraError('DAEMON_UNREACHABLE', {
        detail: `its certificate is good from ${certificate.validFrom} to ${certificate.validTo}, by the clock of this machine that is not now`,
      });
    }
  }
  return { caPem: ca.toString(), caFingerprint: sha256(ca.raw) };
}

/** What the certificate is for, in place of `host`. */
export function nameDetail(host: string, certificate: { readonly subjectaltname?: string }): string {
  const names = (certificate.subjectaltname ?? '').replace(/DNS:|IP Address:/g, '').slice(0, 200);
  return `its certificate is not for ${host}${names === '' ? '' : ` but for ${names}`}`;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function isIssuedBy(certificate: X509Certificate, ca: X509Certificate): boolean {
  return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}

function chainOf(peer: DetailedPeerCertificate): X509Certificate[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = peer;
  while (certificate?.raw !== undefined && chain.length < MAX_CHAIN) {
    if (chain.some((known) => known.equals(certificate!.raw))) break;
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  return chain.map((der) => new X509Certificate(der));
}
