/**
 * X.509 as bytes: writes the three kinds of certificate a daemon issues, and reads the facts of any certificate.
 *
 * node-forge is the ASN.1 *writer* here and nothing else: every structure is made from our own values, nothing received ever reaches it. Keys and
 * signatures are node:crypto's, reading is `crypto.X509Certificate` (OpenSSL), path validation is TLS. Who may issue what is decided in `authority.ts`.
 *
 * Profile: RFC 5280 and RFC 5480, ECDSA P-256 with SHA-256 (RFC 5758). Every extension that restricts is critical.
 */
import { createHash, sign, X509Certificate, type KeyObject } from 'node:crypto';
import asn1 from 'node-forge/lib/asn1.js';
import type { asn1 as Forge } from 'node-forge';
import { PalyraError } from '../base/errors.js';
import { fingerprintOf, spkiOf, uncompressedPoint } from './device-key.js';
import { addressBytes, canonicalHost } from './hosts.js';

/** The subject public key info, the extensions and what they mean, by kind of certificate. */
export type CertificateProfile =
  | { readonly kind: 'authority' }
  /** Canonical DNS names and IP literals. */
  | { readonly kind: 'server'; readonly hosts: readonly string[] }
  | { readonly kind: 'client'; readonly uri: string };

export interface CertificateRequest {
  readonly profile: CertificateProfile;
  readonly subject: string;
  readonly issuer: string;
  readonly subjectKey: KeyObject;
  readonly issuerPublicKey: KeyObject;
  readonly issuerPrivateKey: KeyObject;
  /** 16 bytes; made positive here, so that 126 of the bits count. */
  readonly serial: Buffer;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What we ever look at in a certificate. Times in milliseconds; hex is lower case. */
export interface CertificateFacts {
  readonly serial: string;
  /** SHA-256 of the DER. */
  readonly fingerprint: string;
  /** SHA-256 of the SubjectPublicKeyInfo DER. */
  readonly spkiFingerprint: string;
  readonly spki: Buffer;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly commonName: string;
  /** The URIs of the subject alternative names. */
  readonly uris: readonly string[];
  /** Its DNS names and IP addresses, canonical. */
  readonly hosts: readonly string[];
}

const { Class, Type } = asn1;
type Node = Forge.Asn1;

const OID = {
  ecPublicKey: '1.2.840.10045.2.1',
  prime256v1: '1.2.840.10045.3.1.7',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** Far above any chain element of ours: a server certificate with a hundred names has 4 KiB. */
const MAX_CERTIFICATE_BYTES = 64 * 1024;

/** Writes and signs one certificate; PEM. */
export function writeCertificate(request: CertificateRequest): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = Buffer.from(request.serial);
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0);
  const toBeSigned = sequence(
    context(0, [primitive(Type.INTEGER, Buffer.from([2]))]),
    primitive(Type.INTEGER, serial),
    algorithm,
    distinguishedName(request.issuer),
    sequence(time(request.notBefore), time(request.notAfter)),
    distinguishedName(request.subject),
    subjectPublicKeyInfo(request.subjectKey),
    context(3, [sequence(...extensions(request))]),
  );
  const signature = sign('sha256', toDer(toBeSigned), request.issuerPrivateKey);
  return toPem(toDer(sequence(toBeSigned, algorithm, bitString(signature))));
}

/** Reads a certificate, trusted or not. Throws MESSAGE_INVALID for anything else. Says nothing about who issued it. */
export function readCertificate(pemOrDer: string | Uint8Array): CertificateFacts {
  if (pemOrDer.length > MAX_CERTIFICATE_BYTES) throw unreadable();
  let certificate: X509Certificate;
  let spki: Buffer;
  try {
    certificate = new X509Certificate(pemOrDer);
    spki = spkiOf(certificate.publicKey);
  } catch (cause) {
    throw unreadable(cause);
  }
  const names = alternativeNames(certificate.subjectAltName ?? '');
  return {
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    spkiFingerprint: fingerprintOf(spki),
    spki,
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
    uris: names.filter(({ kind }) => kind === 'URI').map(({ value }) => value),
    hosts: names
      .filter(({ kind }) => kind === 'DNS' || kind === 'IP Address')
      .map(({ value }) => canonicalHost(value) ?? value),
  };
}

/**
 * Node's one-line form of the names: `KIND:value, KIND:"quoted value"`. Values that hold separators are JSON strings (CVE-2021-44532), so a name cannot
 * pretend to be two.
 */
function alternativeNames(text: string): { kind: string; value: string }[] {
  return [...text.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g)].map(([, kind = '', value = '']) => ({
    kind,
    value: value.startsWith('"') ? (JSON.parse(value) as string) : value,
  }));
}

function extensions(request: CertificateRequest): Node[] {
  const { profile } = request;
  const authority = profile.kind === 'authority';
  return [
    extension(
      OID.basicConstraints,
      'critical',
      authority
        ? sequence(primitive(Type.BOOLEAN, Buffer.from([0xff])), primitive(Type.INTEGER, Buffer.from([0])))
        : sequence(),
    ),
    // Bit 0 is digitalSignature; bits 5 and 6 are keyCertSign and cRLSign. The first octet counts the unused bits (DER of a named bit list).
    extension(OID.keyUsage, 'critical', primitive(Type.BITSTRING, Buffer.from(authority ? [1, 0x06] : [7, 0x80]))),
    ...(authority
      ? []
      : [
          extension(
            OID.extendedKeyUsage,
            'critical',
            sequence(oid(profile.kind === 'server' ? OID.serverAuth : OID.clientAuth)),
          ),
          extension(OID.subjectAltName, 'optional', sequence(...generalNames(profile))),
        ]),
    extension(OID.subjectKeyIdentifier, 'optional', primitive(Type.OCTETSTRING, keyIdentifier(request.subjectKey))),
    extension(
      OID.authorityKeyIdentifier,
      'optional',
      sequence(primitive(0, keyIdentifier(request.issuerPublicKey), Class.CONTEXT_SPECIFIC)),
    ),
  ];
}

/** GeneralName choices: dNSName [2], uniformResourceIdentifier [6], iPAddress [7]. */
function generalNames(profile: Exclude<CertificateProfile, { kind: 'authority' }>): Node[] {
  if (profile.kind === 'client') return [primitive(6, Buffer.from(profile.uri, 'ascii'), Class.CONTEXT_SPECIFIC)];
  return profile.hosts.map((host) => {
    const address = addressBytes(host);
    return address === null
      ? primitive(2, Buffer.from(host, 'ascii'), Class.CONTEXT_SPECIFIC)
      : primitive(7, address, Class.CONTEXT_SPECIFIC);
  });
}

/** RFC 5280 4.2.1.2, method 1: SHA-1 over the contents of the subject public key's BIT STRING. A name for a key, not a protection. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  return createHash('sha1').update(uncompressedPoint(publicKey)).digest();
}

function subjectPublicKeyInfo(publicKey: KeyObject): Node {
  return sequence(sequence(oid(OID.ecPublicKey), oid(OID.prime256v1)), bitString(uncompressedPoint(publicKey)));
}

function distinguishedName(commonName: string): Node {
  const attribute = sequence(oid(OID.commonName), primitive(Type.UTF8, Buffer.from(commonName, 'utf8')));
  return sequence(asn1.create(Class.UNIVERSAL, Type.SET, true, [attribute]));
}

function extension(id: string, weight: 'critical' | 'optional', value: Node): Node {
  const critical = weight === 'critical' ? [primitive(Type.BOOLEAN, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...critical, primitive(Type.OCTETSTRING, toDer(value)));
}

/** UTCTime up to 2049 and GeneralizedTime from 2050 on (RFC 5280 4.1.2.5), whole seconds. */
function time(ms: number): Node {
  const date = new Date(ms);
  return date.getUTCFullYear() < 2050
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

function sequence(...values: Node[]): Node {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, values);
}

function context(tag: number, values: Node[]): Node {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, values);
}

function primitive(tag: number, contents: Buffer, tagClass: Forge.Class = Class.UNIVERSAL): Node {
  return asn1.create(tagClass, tag, false, contents.toString('latin1'));
}

function bitString(contents: Buffer): Node {
  return primitive(Type.BITSTRING, Buffer.concat([Buffer.from([0]), contents]));
}

function oid(dotted: string): Node {
  return primitive(Type.OID, Buffer.from(asn1.oidToDer(dotted).getBytes(), 'latin1'));
}

function toDer(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function unreadable(cause?: unknown): PalyraError {
  return new PalyraError('MESSAGE_INVALID', { detail: 'this is not a certificate', cause });
}
