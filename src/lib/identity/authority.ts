/**
 * The daemon's own certificate authority: one self-signed P-256 key that issues two kinds of leaf, its server's and its nodes'.
 *
 * Always true of what it issues: the serial has 126 random bits; the life lies within the authority's own; a server certificate serves only TLS servers
 * and a node certificate only TLS clients; neither may issue; the device id in a node certificate is the one the caller gave, never one from a request.
 * It keeps no list: a certificate is valid because the registry lists its serial (`runtime`), not because this file signed it.
 */
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { PalyraError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import { type CertificateFacts, type CertificateProfile, readCertificate, writeCertificate } from './certificate.js';
import { createDeviceKey, exportKey, importKey, parsePublicKey } from './device-key.js';
import { canonicalHost } from './hosts.js';

const DAY_MS = 86_400_000;
/** Ten years: replacing it means pairing every machine again. */
const AUTHORITY_LIFETIME_MS = 3652 * DAY_MS;
/** Half of the 825 days that Apple's systems accept from any server, the strictest rule for a CA of one's own. Renewed when a third is left. */
const SERVER_LIFETIME_MS = 397 * DAY_MS;
export const NODE_LIFETIME_MS = 90 * DAY_MS;
/** A shorter life would be over before a node that lost its link once could renew. */
export const MIN_NODE_LIFETIME_MS = 60_000;
export const MAX_NODE_LIFETIME_MS = 825 * DAY_MS;
/** Certificates start five minutes ago, so that a clock that is a little slow can use them at once. */
export const BACKDATE_MS = 5 * 60_000;
const SERIAL_BYTES = 16;
/** ub-common-name of RFC 5280. */
const MAX_COMMON_NAME = 64;

const NODE_URI_PREFIX = 'urn:palyra:node:';
const DEVICE_ID = /^nod_[0-9A-Za-z]{6,40}$/;

export interface AuthorityMaterial {
  readonly keyPem: string;
  readonly certificatePem: string;
}

export interface ServerMaterial {
  readonly keyPem: string;
  readonly certificatePem: string;
}

export interface IssuedCertificate {
  readonly certificatePem: string;
  readonly serial: string;
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A new authority, or with `keyPem` a new certificate for the key of an old one. `name` is for people: characters beyond letters, digits, `.-_` and space become `-`. */
export function createAuthority(options: {
  readonly now: number;
  readonly random: Random;
  readonly name: string;
  readonly keyPem?: string;
}): AuthorityMaterial {
  const key = options.keyPem === undefined ? createDeviceKey() : importKey(options.keyPem);
  // A prefix that no host name and no device id has: the subject of a leaf never equals that of its issuer.
  const name = `palyra CA ${options.name.replace(/[^A-Za-z0-9 ._-]/g, '-')}`.slice(0, MAX_COMMON_NAME).trim();
  const notBefore = options.now - BACKDATE_MS;
  const certificatePem = writeCertificate({
    profile: { kind: 'authority' },
    subject: name,
    issuer: name,
    subjectKey: createPublicKey(key),
    issuerPublicKey: createPublicKey(key),
    issuerPrivateKey: key,
    serial: options.random.bytes(SERIAL_BYTES),
    notBefore,
    notAfter: notBefore + AUTHORITY_LIFETIME_MS,
  });
  return { keyPem: exportKey(key), certificatePem };
}

export class Authority {
  readonly certificatePem: string;
  /** SubjectPublicKeyInfo DER: what links pin. */
  readonly spki: Buffer;
  /** SHA-256 of it, lower-case hex. */
  readonly spkiSha256: string;
  /** SHA-256 of the certificate's DER, lower-case hex. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #name: string;

  /** Throws STATE_CORRUPT when the two do not belong together or are not an authority. */
  constructor(material: AuthorityMaterial) {
    this.#key = importKey(material.keyPem);
    this.#publicKey = createPublicKey(this.#key);
    const facts = readOwn(material.certificatePem);
    const certificate = new X509Certificate(material.certificatePem);
    if (!certificate.ca || !certificate.checkPrivateKey(this.#key) || !certificate.verify(this.#publicKey)) {
      throw new PalyraError('STATE_CORRUPT', { detail: 'the key and the certificate of the authority do not match' });
    }
    this.certificatePem = material.certificatePem;
    this.spki = facts.spki;
    this.spkiSha256 = facts.spkiFingerprint;
    this.fingerprint = facts.fingerprint;
    this.notBefore = facts.notBefore;
    this.notAfter = facts.notAfter;
    this.#name = facts.commonName;
  }

  /** A new key and its certificate for TLS servers under these names and addresses. Throws CONFIG_INVALID for a host that is neither, or none at all. */
  issueServer(options: {
    readonly hosts: readonly string[];
    readonly now: number;
    readonly random: Random;
  }): ServerMaterial {
    const hosts = canonicalHosts(options.hosts);
    const key = createDeviceKey();
    const { certificatePem } = this.#issue({
      profile: { kind: 'server', hosts },
      subject: (hosts[0] ?? '').slice(0, MAX_COMMON_NAME),
      subjectKey: createPublicKey(key),
      lifetimeMs: SERVER_LIFETIME_MS,
      now: options.now,
      random: options.random,
    });
    return { keyPem: exportKey(key), certificatePem };
  }

  /**
   * A certificate for a node's key. Possession of the key must have been proven before. Throws PAIRING_PROOF_INVALID for a key that is not ours to
   * certify, AUTHORITY_NOT_VALID outside the authority's own life.
   */
  issueNode(options: {
    readonly deviceId: string;
    readonly spki: Uint8Array;
    readonly now: number;
    readonly random: Random;
    readonly lifetimeMs?: number;
  }): IssuedCertificate {
    if (!DEVICE_ID.test(options.deviceId)) {
      throw new PalyraError('INTERNAL', { detail: 'a certificate was asked for something that is no device id' });
    }
    return this.#issue({
      profile: { kind: 'client', uri: NODE_URI_PREFIX + options.deviceId },
      subject: options.deviceId,
      subjectKey: parsePublicKey(options.spki),
      lifetimeMs: options.lifetimeMs ?? NODE_LIFETIME_MS,
      now: options.now,
      random: options.random,
    });
  }

  #issue(leaf: {
    readonly profile: CertificateProfile;
    readonly subject: string;
    readonly subjectKey: KeyObject;
    readonly lifetimeMs: number;
    readonly now: number;
    readonly random: Random;
  }): IssuedCertificate {
    if (leaf.now < this.notBefore || leaf.now >= this.notAfter) {
      const [from, to] = [this.notBefore, this.notAfter].map((ms) => new Date(ms).toISOString());
      throw new PalyraError('AUTHORITY_NOT_VALID', { detail: `it is valid from ${from} to ${to}` });
    }
    const certificatePem = writeCertificate({
      profile: leaf.profile,
      subject: leaf.subject,
      issuer: this.#name,
      subjectKey: leaf.subjectKey,
      issuerPublicKey: this.#publicKey,
      issuerPrivateKey: this.#key,
      serial: leaf.random.bytes(SERIAL_BYTES),
      notBefore: leaf.now - BACKDATE_MS,
      notAfter: Math.min(leaf.now + leaf.lifetimeMs, this.notAfter),
    });
    const { serial, fingerprint, notBefore, notAfter } = readCertificate(certificatePem);
    return { certificatePem, serial, fingerprint, notBefore, notAfter };
  }
}

/** The device a certificate was issued to, or null: exactly one URI of ours, well formed. Says nothing about who issued the certificate. */
export function deviceIdOf(facts: CertificateFacts): string | null {
  const [uri, ...others] = facts.uris.filter((candidate) => candidate.toLowerCase().startsWith(NODE_URI_PREFIX));
  if (uri === undefined || others.length > 0 || !uri.startsWith(NODE_URI_PREFIX)) return null;
  const deviceId = uri.slice(NODE_URI_PREFIX.length);
  return DEVICE_ID.test(deviceId) ? deviceId : null;
}

/** Canonical, without repetitions, in the order given. Throws CONFIG_INVALID. */
export function canonicalHosts(hosts: readonly string[]): string[] {
  if (hosts.length === 0)
    throw new PalyraError('CONFIG_INVALID', { detail: 'a server needs at least one host name or address' });
  const canonical = hosts.map((host) => {
    const name = canonicalHost(host);
    if (name === null)
      throw new PalyraError('CONFIG_INVALID', {
        detail: `${JSON.stringify(host)} is neither a host name nor an address`,
      });
    return name;
  });
  return [...new Set(canonical)];
}

function readOwn(pem: string): CertificateFacts {
  try {
    return readCertificate(pem);
  } catch (cause) {
    throw new PalyraError('STATE_CORRUPT', { detail: 'the certificate of the authority cannot be read', cause });
  }
}
