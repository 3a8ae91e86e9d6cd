import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../../src/lib/base/random.js';
import { Authority, createAuthority, deviceIdOf } from '../../../src/lib/identity/authority.js';
import { readCertificate, writeCertificate } from '../../../src/lib/identity/certificate.js';
import { createDeviceKey, exportKey, fingerprintOf, spkiOf } from '../../../src/lib/identity/device-key.js';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-20T12:00:00Z');
const DEVICE = 'nod_01JD5Z3K9Q8V7W6X5Y4Z3A2B1C';
const random = systemRandom;
const hosts = ['localhost', 'NAS.lan', '127.0.0.1', '192.168.1.20', '::1', 'fd7a::1'];
const opensslMissing = spawnSync('openssl', ['version']).status !== 0;

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('the certificate authority', () => {
  const material = createAuthority({ now: NOW, random, name: 'nas' });
  const authority = new Authority(material);
  const deviceKey = createDeviceKey();
  const node = authority.issueNode({ deviceId: DEVICE, spki: spkiOf(deviceKey), now: NOW, random });
  const server = authority.issueServer({ hosts, now: NOW, random });
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'palyra-authority-'));
    writeFileSync(join(directory, 'ca.crt'), authority.certificatePem);
    writeFileSync(join(directory, 'node.crt'), node.certificatePem);
    writeFileSync(join(directory, 'server.crt'), server.certificatePem);
  });
  after(() => rmSync(directory, { recursive: true }));

  it('is a self-signed P-256 CA for ten years', () => {
    const certificate = new X509Certificate(authority.certificatePem);
    assert.ok(certificate.ca);
    assert.equal(certificate.subject, 'CN=palyra CA nas');
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.equal(authority.notAfter - authority.notBefore, 3652 * DAY);
    assert.equal(authority.spkiSha256, fingerprintOf(authority.spki));
  });

  it('issues to nodes: client only, 90 days, backdated by five minutes, the device id in name and URI', () => {
    const facts = readCertificate(node.certificatePem);
    assert.equal(facts.notBefore, NOW - 5 * 60_000);
    assert.equal(facts.notAfter, NOW + 90 * DAY);
    assert.equal(facts.commonName, DEVICE);
    assert.deepEqual(facts.uris, [`urn:palyra:node:${DEVICE}`]);
    assert.deepEqual(facts.spki, spkiOf(deviceKey));
    assert.equal(facts.serial, node.serial);
    assert.equal(facts.fingerprint, node.fingerprint);
    assert.equal(deviceIdOf(facts), DEVICE);
    assert.deepEqual(new X509Certificate(node.certificatePem).keyUsage, ['1.3.6.1.5.5.7.3.2']);
  });

  it('issues to servers: server only, every name and address', () => {
    const facts = readCertificate(server.certificatePem);
    assert.deepEqual(facts.hosts, ['localhost', 'nas.lan', '127.0.0.1', '192.168.1.20', '::1', 'fd7a::1']);
    const certificate = new X509Certificate(server.certificatePem);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.ok(certificate.checkHost('nas.lan') !== undefined && certificate.checkIP('fd7a::1') !== undefined);
    assert.equal(certificate.checkHost('other.lan'), undefined);
    assert.equal(deviceIdOf(facts), null);
  });

  it('satisfies openssl verify -x509_strict for both purposes and for no other', function () {
    if (opensslMissing) this.skip();
    const verify = (purpose: string, leaf: string) =>
      spawnSync('openssl', [
        'verify',
        '-x509_strict',
        '-attime',
        String(NOW / 1000),
        '-purpose',
        purpose,
        '-CAfile',
        join(directory, 'ca.crt'),
        join(directory, leaf),
      ]);
    for (const [purpose, leaf, status] of [
      ['sslclient', 'node.crt', 0],
      ['sslserver', 'server.crt', 0],
      ['sslserver', 'node.crt', 2],
      ['sslclient', 'server.crt', 2],
    ] as const) {
      const result = verify(purpose, leaf);
      assert.equal(
        result.status,
        status,
        `${leaf} as ${purpose}: ${result.stdout.toString()}${result.stderr.toString()}`,
      );
    }
  });

  it('marks critical what restricts, and names keys by method 1 of RFC 5280', function () {
    if (opensslMissing) this.skip();
    const text = (file: string) =>
      openssl('x509', '-in', join(directory, file), '-noout', '-text').replace(/\s+/g, ' ');
    assert.match(text('ca.crt'), /Basic Constraints: critical CA:TRUE, pathlen:0 /);
    assert.match(text('ca.crt'), /Key Usage: critical Certificate Sign, CRL Sign /);
    assert.match(text('node.crt'), /Basic Constraints: critical CA:FALSE /);
    assert.match(text('node.crt'), /X509v3 Key Usage: critical Digital Signature X509v3/);
    assert.match(text('node.crt'), /Extended Key Usage: critical TLS Web Client Authentication X509v3/);
    assert.match(text('server.crt'), /Extended Key Usage: critical TLS Web Server Authentication X509v3/);
    const expected = openssl(
      'req',
      '-new',
      '-x509',
      '-key',
      writeKey(),
      '-subj',
      '/CN=x',
      '-addext',
      'subjectKeyIdentifier=hash',
    );
    writeFileSync(join(directory, 'expected.crt'), expected);
    const identifier = (file: string) => /Subject Key Identifier: ([0-9A-F:]+)/.exec(text(file))?.[1];
    assert.equal(identifier('node.crt'), identifier('expected.crt'));
    assert.match(text('node.crt'), new RegExp(`Authority Key Identifier: (keyid:)?${identifier('ca.crt')}`));

    function writeKey(): string {
      const file = join(directory, 'device.key');
      writeFileSync(file, exportKey(deviceKey));
      return file;
    }
  });

  it('gives every certificate its own positive serial of sixteen bytes', () => {
    const serials = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const { serial } = authority.issueNode({ deviceId: DEVICE, spki: spkiOf(deviceKey), now: NOW, random });
      assert.match(serial, /^[4-7][0-9a-f]{31}$/);
      serials.add(serial);
    }
    assert.equal(serials.size, 100);
  });

  it('writes dates right on both sides of 2050', () => {
    const late = new Authority(createAuthority({ now: Date.parse('2045-06-01T00:00:00Z'), random, name: 'late' }));
    for (const now of [
      '2049-09-30T23:59:59Z',
      '2049-12-31T23:59:59Z',
      '2050-01-01T00:00:00Z',
      '2052-02-29T12:30:45Z',
    ].map(Date.parse)) {
      const { notBefore, notAfter } = late.issueNode({ deviceId: DEVICE, spki: spkiOf(deviceKey), now, random });
      assert.equal(notBefore, now - 5 * 60_000);
      assert.equal(notAfter, now + 90 * DAY);
    }
  });

  it('never issues beyond its own life, and not at all outside of it', () => {
    const issue = (now: number) => authority.issueNode({ deviceId: DEVICE, spki: spkiOf(deviceKey), now, random });
    assert.equal(issue(authority.notAfter - DAY).notAfter, authority.notAfter);
    for (const now of [authority.notAfter, authority.notBefore - 1]) {
      assert.throws(() => issue(now), { reason: 'AUTHORITY_NOT_VALID' });
    }
  });

  it('refuses to certify foreign keys, broken device ids and hosts that are none', () => {
    assert.throws(() => authority.issueNode({ deviceId: DEVICE, spki: Buffer.alloc(91), now: NOW, random }), {
      reason: 'PAIRING_PROOF_INVALID',
    });
    for (const deviceId of ['', 'nod_', 'nas', `${DEVICE}, URI:urn:x`, `${DEVICE}\n`]) {
      assert.throws(() => authority.issueNode({ deviceId, spki: spkiOf(deviceKey), now: NOW, random }), {
        reason: 'INTERNAL',
      });
    }
    for (const bad of [[], ['not a host'], ['nas.lan', '']]) {
      assert.throws(() => authority.issueServer({ hosts: bad, now: NOW, random }), { reason: 'CONFIG_INVALID' });
    }
  });

  it('keeps its key when only the certificate is made again', () => {
    const again = new Authority(createAuthority({ now: NOW + DAY, random, name: 'nas', keyPem: material.keyPem }));
    assert.equal(again.spkiSha256, authority.spkiSha256);
    assert.notEqual(again.fingerprint, authority.fingerprint);
  });

  it('copes with any name a person gives a daemon', () => {
    for (const name of ['', 'Küche, "1"\n+CN=x', 'x'.repeat(300), 'a/b\\c']) {
      const odd = new Authority(createAuthority({ now: NOW, random, name }));
      const { certificatePem } = odd.issueNode({ deviceId: DEVICE, spki: spkiOf(deviceKey), now: NOW, random });
      assert.ok(new X509Certificate(certificatePem).checkIssued(new X509Certificate(odd.certificatePem)), name);
    }
  });

  it('does not load a key and a certificate that do not belong together', () => {
    const other = createAuthority({ now: NOW, random, name: 'nas' });
    for (const broken of [
      { keyPem: other.keyPem, certificatePem: material.certificatePem },
      { keyPem: material.keyPem, certificatePem: 'nonsense' },
      { keyPem: server.keyPem, certificatePem: server.certificatePem },
      { keyPem: '', certificatePem: material.certificatePem },
    ]) {
      assert.throws(() => new Authority(broken), { reason: 'STATE_CORRUPT' });
    }
  });
});

describe('reading certificates', () => {
  it('refuses what is not one', () => {
    for (const bytes of [
      '',
      'nonsense',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      'x'.repeat(70_000),
    ]) {
      assert.throws(() => readCertificate(bytes), { reason: 'MESSAGE_INVALID' });
    }
  });

  it('is not fooled by a DNS name that spells a list of names', () => {
    const key = createDeviceKey();
    const certificatePem = writeCertificate({
      profile: { kind: 'server', hosts: [`x, URI:urn:palyra:node:${DEVICE}`, 'a"b\\', 'nas.lan'] },
      subject: 'x',
      issuer: 'x',
      subjectKey: createPublicKey(key),
      issuerPublicKey: createPublicKey(key),
      issuerPrivateKey: key,
      serial: random.bytes(16),
      notBefore: NOW,
      notAfter: NOW + DAY,
    });
    const facts = readCertificate(certificatePem);
    assert.deepEqual(facts.uris, []);
    assert.deepEqual(facts.hosts, [`x, URI:urn:palyra:node:${DEVICE}`, 'a"b\\', 'nas.lan']);
  });

  it('takes the device id only from exactly one well-formed URI', () => {
    const authority = new Authority(createAuthority({ now: NOW, random, name: 'nas' }));
    const { certificatePem } = authority.issueNode({
      deviceId: DEVICE,
      spki: spkiOf(createDeviceKey()),
      now: NOW,
      random,
    });
    const facts = readCertificate(certificatePem);
    const uri = `urn:palyra:node:${DEVICE}`;
    for (const [uris, deviceId] of [
      [[uri], DEVICE],
      [['https://example.org', uri], DEVICE],
      [[], null],
      [[uri, uri], null],
      [[uri, 'urn:palyra:node:nod_000000'], null],
      [[uri.toUpperCase()], null],
      [['urn:palyra:node:'], null],
      [[`${uri}/x`], null],
      [['urn:palyra:operator:nod_000000'], null],
    ] as const) {
      assert.equal(deviceIdOf({ ...facts, uris }), deviceId, uris.join());
    }
  });
});
