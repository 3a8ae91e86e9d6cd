import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { systemRandom } from '../../../src/lib/base/random.js';
import { Authority, createAuthority } from '../../../src/lib/identity/authority.js';
import { readCertificate, writeCertificate, type CertificateProfile } from '../../../src/lib/identity/certificate.js';
import { createDeviceKey, exportKey, importKey, spkiOf } from '../../../src/lib/identity/device-key.js';
import { handshake, type Side } from '../../support/tls-handshake.js';

const DAY = 86_400_000;
const DEVICE = 'nod_01JD5Z3K9Q8V7W6X5Y4Z3A2B1C';
const random = systemRandom;
const now = Date.now();

/** Anything an attacker could sign with a key he holds, over the writer's head. */
function forge(options: {
  readonly profile?: CertificateProfile;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
  /** The key to certify; a new one when absent. */
  readonly key?: KeyObject;
  readonly notBefore?: number;
  readonly notAfter?: number;
}): Side {
  const key = options.key ?? createDeviceKey();
  const certificatePem = writeCertificate({
    profile: options.profile ?? { kind: 'client', uri: `urn:palyra:node:${DEVICE}` },
    subject: DEVICE,
    issuer: options.issuer,
    subjectKey: createPublicKey(key),
    issuerPublicKey: createPublicKey(options.issuerKey),
    issuerPrivateKey: options.issuerKey,
    serial: random.bytes(16),
    notBefore: options.notBefore ?? now - DAY,
    notAfter: options.notAfter ?? now + DAY,
  });
  return { keyPem: exportKey(key), certificatePem };
}

describe('a chain under node:tls', () => {
  const material = createAuthority({ now, random, name: 'nas' });
  const authority = new Authority(material);
  const issuerKey = importKey(material.keyPem);
  const issuer = readCertificate(authority.certificatePem).commonName;
  const ca = authority.certificatePem;
  const server = authority.issueServer({ hosts: ['localhost', '127.0.0.1'], now, random });
  const nodeKey = createDeviceKey();
  const node: Side = {
    keyPem: exportKey(nodeKey),
    certificatePem: authority.issueNode({ deviceId: DEVICE, spki: spkiOf(nodeKey), now, random }).certificatePem,
  };
  const serverProfile = { kind: 'server', hosts: ['localhost'] } as const;

  it('is accepted both ways', async () => {
    const outcome = await handshake({ server, serverTrusts: ca, client: node, clientTrusts: ca });
    assert.deepEqual(outcome, {
      serverRead: 'hello daemon',
      clientRead: 'hello node',
      clientError: null,
      serverError: null,
    });
  });

  const sameName = createAuthority({ now, random, name: 'nas' });
  const expiredCa = createAuthority({ now: now - 4_000 * DAY, random, name: 'old' });

  /** The same bytes, one bit of the signature's last byte turned. */
  function tampered(side: Side): Side {
    const der = Buffer.from(new X509Certificate(side.certificatePem).raw);
    der.writeUInt8(der.readUInt8(der.length - 1) ^ 1, der.length - 1);
    const body = der.toString('base64').replace(/.{1,64}/g, '$&\n');
    return { ...side, certificatePem: `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n` };
  }

  /** A certificate signed by a node's own certificate, presented together with it. */
  const byLeaf = forge({ issuer: DEVICE, issuerKey: nodeKey });
  /** A CA signed by the authority: its path length is 0. */
  const subCa = forge({ profile: { kind: 'authority' }, issuer, issuerKey });
  const bySubCa = forge({ issuer: DEVICE, issuerKey: importKey(subCa.keyPem) });

  const badClients: readonly (readonly [name: string, why: RegExp, client: Side | null, trusts?: string])[] = [
    ['no certificate', /^ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE$/, null],
    ['a certificate for servers', /^INVALID_PURPOSE$/, forge({ profile: serverProfile, issuer, issuerKey })],
    [
      'one of another authority of the same name',
      /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
      forge({ issuer, issuerKey: importKey(sameName.keyPem) }),
    ],
    ['a self-signed one', /^DEPTH_ZERO_SELF_SIGNED_CERT$/, forge({ issuer: DEVICE, issuerKey: nodeKey, key: nodeKey })],
    [
      'one issued by a leaf',
      /^(UNSPECIFIED|INVALID_CA)$/,
      { ...byLeaf, certificatePem: byLeaf.certificatePem + node.certificatePem },
    ],
    [
      'one issued by an authority below ours',
      /^PATH_LENGTH_EXCEEDED$/,
      { ...bySubCa, certificatePem: bySubCa.certificatePem + subCa.certificatePem },
    ],
    [
      'an expired one',
      /^CERT_HAS_EXPIRED$/,
      forge({ issuer, issuerKey, notBefore: now - 2 * DAY, notAfter: now - 1_000 }),
    ],
    [
      'one that is not valid yet',
      /^CERT_NOT_YET_VALID$/,
      forge({ issuer, issuerKey, notBefore: now + DAY, notAfter: now + 2 * DAY }),
    ],
    ['one with a broken signature', /^CERT_SIGNATURE_FAILURE$/, tampered(forge({ issuer, issuerKey }))],
    [
      'one of an expired authority',
      /^CERT_HAS_EXPIRED$/,
      forge({ issuer: 'palyra CA old', issuerKey: importKey(expiredCa.keyPem) }),
      expiredCa.certificatePem,
    ],
  ];
  for (const [name, why, client, trusts] of badClients) {
    it(`is refused from a client with ${name}, before a byte is read`, async () => {
      const outcome = await handshake({ server, serverTrusts: trusts ?? ca, client, clientTrusts: ca });
      assert.equal(outcome.serverRead, '');
      assert.match(outcome.serverError ?? 'none', why);
    });
  }

  const badServers: readonly (readonly [name: string, why: RegExp, server: Side, servername?: string])[] = [
    ['a certificate for nodes', /^INVALID_PURPOSE$/, node],
    ['one for other hosts', /^ERR_TLS_CERT_ALTNAME_INVALID$/, server, 'other.lan'],
    [
      'one of another authority of the same name',
      /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/,
      forge({ profile: serverProfile, issuer, issuerKey: importKey(sameName.keyPem) }),
    ],
    [
      'one issued by a leaf',
      /^(UNSPECIFIED|INVALID_CA)$/,
      withIssuer(forge({ profile: serverProfile, issuer: DEVICE, issuerKey: nodeKey }), node),
    ],
    [
      'an expired one',
      /^CERT_HAS_EXPIRED$/,
      forge({ profile: serverProfile, issuer, issuerKey, notBefore: now - 2 * DAY, notAfter: now - 1_000 }),
    ],
    [
      'one that is not valid yet',
      /^CERT_NOT_YET_VALID$/,
      forge({ profile: serverProfile, issuer, issuerKey, notBefore: now + DAY, notAfter: now + 2 * DAY }),
    ],
  ];
  for (const [name, why, bad, servername] of badServers) {
    it(`is refused from a server with ${name}, before a byte is sent`, async () => {
      const outcome = await handshake({
        server: bad,
        serverTrusts: ca,
        client: node,
        clientTrusts: ca,
        ...(servername === undefined ? {} : { servername }),
      });
      assert.equal(outcome.serverRead, '');
      assert.equal(outcome.clientRead, '');
      assert.match(outcome.clientError ?? 'none', why);
    });
  }

  function withIssuer(side: Side, above: Side): Side {
    return { ...side, certificatePem: side.certificatePem + above.certificatePem };
  }
});
