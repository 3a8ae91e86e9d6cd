/** Twelve ways of not being a device of a daemon, for its own authority: everything an attacker, or a paired device, could sign or present. */
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom as random } from '../../src/lib/base/random.js';
import { createAuthority, deviceIdOf } from '../../src/lib/identity/authority.js';
import { readCertificate, writeCertificate, type CertificateProfile } from '../../src/lib/identity/certificate.js';
import { createDeviceKey, exportKey, importKey } from '../../src/lib/identity/device-key.js';
import type { TestDaemon } from './test-daemon.js';
import type { TestNode } from './test-node.js';

const DAY_MS = 86_400_000;

export interface BadChain {
  readonly what: string;
  readonly tls: { readonly caPem: string; readonly keyPem?: string; readonly certificatePem?: string };
  /** TLS lets it pass, and the allow list does not. */
  readonly byAllowList?: true;
}

/** `paired` is a device of the daemon: whose name is used, and whose certificate plays an authority. */
export function badChains(target: TestDaemon, paired: TestNode): BadChain[] {
  const identity = (file: string) => readFileSync(join(target.options.stateDirectory, 'identity', file), 'utf8');
  const caPem = identity('ca.crt');
  const caKey = importKey(identity('ca.key'));
  const now = Date.now();
  const issuer = readCertificate(caPem).commonName;
  const uri = `urn:palyra:node:${paired.deviceId}`;
  if (deviceIdOf(readCertificate(paired.certificatePem)) !== paired.deviceId) throw new Error('no such device');

  const make = (options: {
    readonly profile?: CertificateProfile;
    readonly by?: string;
    readonly with?: KeyObject;
    readonly key?: KeyObject;
    readonly notBefore?: number;
    readonly notAfter?: number;
    readonly serial?: Buffer;
    /** What is presented beside it. */
    readonly above?: string;
  }) => {
    const key = options.key ?? createDeviceKey();
    const issuerKey = options.with ?? caKey;
    const certificatePem = writeCertificate({
      profile: options.profile ?? { kind: 'client', uri },
      subject: paired.deviceId,
      issuer: options.by ?? issuer,
      subjectKey: createPublicKey(key),
      issuerPublicKey: createPublicKey(issuerKey),
      issuerPrivateKey: issuerKey,
      serial: options.serial ?? random.bytes(16),
      notBefore: options.notBefore ?? now - DAY_MS,
      notAfter: options.notAfter ?? now + DAY_MS,
    });
    return { caPem, keyPem: exportKey(key), certificatePem: certificatePem + (options.above ?? '') };
  };
  const tampered = () => {
    const made = make({});
    const der = Buffer.from(new X509Certificate(made.certificatePem).raw);
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
    const body = der.toString('base64').replace(/.{1,64}/g, '$&\n');
    return { ...made, certificatePem: `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n` };
  };
  const sameName = createAuthority({ now, random, name: target.options.daemonName });
  const expired = createAuthority({ now: now - 4_000 * DAY_MS, random, name: 'old' });
  const subKey = createDeviceKey();
  const sub = make({ profile: { kind: 'authority' }, key: subKey });
  const ownKey = createDeviceKey();
  const serial = Buffer.from(readCertificate(paired.certificatePem).serial.padStart(32, '0'), 'hex');
  return [
    { what: 'no certificate', tls: { caPem } },
    { what: 'a self-signed one', tls: make({ by: paired.deviceId, with: ownKey, key: ownKey }) },
    {
      what: "one of another authority of the same name, with a device's serial number",
      tls: make({ with: importKey(sameName.keyPem), serial }),
    },
    {
      what: 'one of an expired authority',
      tls: make({ by: 'palyra CA old', with: importKey(expired.keyPem), above: expired.certificatePem }),
    },
    {
      what: 'one issued by a paired device',
      tls: make({ by: paired.deviceId, with: paired.key, above: paired.certificatePem }),
    },
    {
      what: 'one issued by an authority below ours',
      tls: make({ by: paired.deviceId, with: subKey, above: sub.certificatePem }),
      // The TLS of the QUIC library does not apply the path length of the root.
      byAllowList: true,
    },
    { what: 'a certificate for servers', tls: make({ profile: { kind: 'server', hosts: ['localhost'] } }) },
    { what: 'an expired one', tls: make({ notBefore: now - 2 * DAY_MS, notAfter: now - 60_000 }) },
    { what: 'one that is not valid yet', tls: make({ notBefore: now + DAY_MS, notAfter: now + 2 * DAY_MS }) },
    { what: 'one with a broken signature', tls: tampered() },
    {
      what: 'one that names no device',
      tls: make({ profile: { kind: 'client', uri: 'urn:palyra:nobody' } }),
      byAllowList: true,
    },
    { what: 'one of ours that was never given out', tls: make({}), byAllowList: true },
  ];
}
