/**
 * What a node believes of the certificates and the material it is given while it joins. Pure checks over bytes: no socket, no file.
 */
import { createHash, X509Certificate } from 'node:crypto';

import { PalyraError } from '../base/errors.js';
import { MAX_AUTHORITIES } from '../base/link-limits.js';
import { deviceIdOf } from '../identity/authority.js';
import { readCertificate } from '../identity/certificate.js';
import { caPin } from '../identity/codes.js';
import type { NodeIdentity } from '../identity/material.js';
import type { PairingMaterial } from '../wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { assertWithin } from './clock-skew.js';

/** The daemon's CA as it showed it; pinned by a link, or to be proven by the code. */
export interface DaemonCertificates {
  readonly caPem: string;
  readonly caSpki: Buffer;
  /** Lower-case hex. */
  readonly caSpkiSha256: string;
}

/** Endpoints are only ever given to the connector, which resolves and connects; more than these are not tried. */
const MAX_ENDPOINTS = 16;
const ENDPOINT = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}$/;

/**
 * Picks the CA out of the chain (leaf first) and checks that the leaf is its own and that the clock agrees with it.
 * Throws DAEMON_IDENTITY_MISMATCH when there is none, or not the one `pin` names; CLOCK_SKEW.
 */
export function findDaemon(chain: readonly Buffer[], pin: string | null, now: number): DaemonCertificates {
  const [leafDer, ...rest] = chain;
  if (leafDer === undefined) throw new PalyraError('DAEMON_IDENTITY_MISMATCH', { detail: 'it shows no certificate' });
  const leaf = new X509Certificate(leafDer);
  const authorities = rest.map((der) => new X509Certificate(der)).filter((candidate) => candidate.ca);
  const ca = pin === null ? authorities.at(-1) : authorities.find((candidate) => caPin(spkiOf(candidate)) === pin);
  if (ca === undefined) {
    const detail =
      pin === null ? 'what answers there is not a palyra daemon' : 'its identity is not the one in the link';
    throw new PalyraError('DAEMON_IDENTITY_MISMATCH', { detail });
  }
  if (!leaf.checkIssued(ca) || !leaf.verify(ca.publicKey)) {
    throw new PalyraError('DAEMON_IDENTITY_MISMATCH', {
      detail: 'its certificate was not made by the identity it shows',
    });
  }
  assertWithin(now, readCertificate(leaf.raw));
  const caSpki = spkiOf(ca);
  return { caPem: ca.toString(), caSpki, caSpkiSha256: createHash('sha256').update(caSpki).digest('hex') };
}

/**
 * Checks what was issued against our own key and the CA, and makes the identity of it. The CA that vouched for the daemon is in the trust bundle, whatever
 * the daemon lists. Throws PAIRING_PROOF_INVALID for a certificate that is not for us, MESSAGE_INVALID for material that cannot be used.
 */
export function toIdentity(
  material: PairingMaterial,
  daemon: DaemonCertificates,
  own: { readonly spki: Buffer; readonly publicEndpoint: string; readonly now: number },
): NodeIdentity {
  const facts = readCertificate(material.certificate);
  const ca = new X509Certificate(daemon.caPem);
  const others = readAuthorities(material.trustBundle).filter(
    (pem) => new X509Certificate(pem).fingerprint256 !== ca.fingerprint256,
  );
  const certificate = new X509Certificate(material.certificate);
  // While the daemon replaces its CA, the one that it shows says which other one signs.
  const trustBundle = [daemon.caPem, ...others];
  const problem = !facts.spki.equals(own.spki)
    ? 'the certificate is for another key'
    : !trustBundle.some((pem) => isMadeBy(certificate, pem))
      ? 'the certificate was made by another identity'
      : material.deviceId === '' || deviceIdOf(facts) !== material.deviceId
        ? 'the certificate names another device'
        : null;
  if (problem !== null) throw new PalyraError('PAIRING_PROOF_INVALID', { detail: problem });
  assertWithin(own.now, facts);
  const nodeEndpoints = material.nodeEndpoints.filter((endpoint) => ENDPOINT.test(endpoint)).slice(0, MAX_ENDPOINTS);
  if (nodeEndpoints.length === 0)
    throw new PalyraError('MESSAGE_INVALID', { detail: 'the daemon names no address for its nodes' });
  return {
    deviceId: material.deviceId,
    name: material.name,
    certificatePem: material.certificate,
    trustBundle,
    nodeEndpoints,
    daemonName: material.daemonName,
    publicEndpoint: own.publicEndpoint,
    caPin: caPin(daemon.caSpki),
    grantedCapabilities: material.grantedCapabilities,
    pairedAt: own.now,
  };
}

/**
 * Checks a renewed certificate and makes the identity of it. It came over a connection to a daemon that is trusted already, so what it lists is to be
 * trusted; what was pinned when this machine was paired stays as it was. Throws PAIRING_PROOF_INVALID, CLOCK_SKEW.
 */
export function toRenewedIdentity(
  identity: NodeIdentity,
  answer: Pick<PairingMaterial, 'certificate'> & {
    readonly trustBundle: readonly string[];
    readonly nodeEndpoints: readonly string[];
  },
  own: { readonly spki: Buffer; readonly now: number },
): NodeIdentity {
  const facts = readCertificate(answer.certificate);
  const certificate = new X509Certificate(answer.certificate);
  const trustBundle = readAuthorities(answer.trustBundle);
  const problem = !facts.spki.equals(own.spki)
    ? 'the certificate is for another key'
    : !trustBundle.some((pem) => isMadeBy(certificate, pem))
      ? 'the certificate was made by another identity'
      : deviceIdOf(facts) !== identity.deviceId
        ? 'the certificate names another device'
        : null;
  if (problem !== null) throw new PalyraError('PAIRING_PROOF_INVALID', { detail: problem });
  assertWithin(own.now, facts);
  const nodeEndpoints = answer.nodeEndpoints.filter((endpoint) => ENDPOINT.test(endpoint)).slice(0, MAX_ENDPOINTS);
  return {
    ...identity,
    certificatePem: answer.certificate,
    trustBundle,
    nodeEndpoints: nodeEndpoints.length > 0 ? nodeEndpoints : identity.nodeEndpoints,
  };
}

/** What there is of CAs in a trust bundle; more than these are not taken. */
export function readAuthorities(bundle: readonly string[]): string[] {
  return bundle.filter(isAuthority).slice(0, MAX_AUTHORITIES);
}

function isMadeBy(certificate: X509Certificate, caPem: string): boolean {
  const ca = new X509Certificate(caPem);
  return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

function spkiOf(certificate: X509Certificate): Buffer {
  return certificate.publicKey.export({ type: 'spki', format: 'der' });
}
