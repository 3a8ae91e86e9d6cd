import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../../src/lib/base/random.js';
import { readCertificate } from '../../../src/lib/identity/certificate.js';
import { spkiOf } from '../../../src/lib/identity/device-key.js';
import {
  loadOrCreateDaemonIdentity,
  readNodeIdentity,
  readOrCreateDeviceKey,
  removeNodeIdentity,
  writeNodeIdentity,
  type NodeIdentity,
} from '../../../src/lib/identity/material.js';

const DAY = 86_400_000;
const NOW = Date.parse('2026-11-20T12:00:00Z');

describe('identities on disk', () => {
  let root: string;
  let directory: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'palyra-material-'));
    directory = join(root, 'identity');
  });
  afterEach(() => rm(root, { recursive: true }));

  const load = (change: { hosts?: string[]; now?: number } = {}) =>
    loadOrCreateDaemonIdentity(directory, {
      hosts: ['localhost', '127.0.0.1'],
      name: 'nas',
      now: NOW,
      random: systemRandom,
      ...change,
    });
  const fileOf = (name: string) => join(directory, name);

  describe('of the daemon', () => {
    it('are made at the first start, private to their owner', async () => {
      const { created, authority, server } = await load();
      assert.ok(created);
      assert.deepEqual((await readdir(directory)).toSorted(), ['ca.crt', 'ca.key', 'server.crt', 'server.key']);
      assert.equal((await stat(directory)).mode & 0o777, 0o700);
      for (const name of await readdir(directory)) assert.equal((await stat(fileOf(name))).mode & 0o777, 0o600, name);
      assert.equal(await readFile(fileOf('ca.crt'), 'utf8'), authority.certificatePem);
      assert.equal(await readFile(fileOf('server.key'), 'utf8'), server.keyPem);
    });

    it('are the same at the next start', async () => {
      const first = await load();
      const second = await load({ now: NOW + DAY });
      assert.ok(!second.created);
      assert.equal(second.authority.fingerprint, first.authority.fingerprint);
      assert.deepEqual(second.server, first.server);
    });

    it('renew the server certificate when its hosts change, and only then', async () => {
      const first = await load();
      const reordered = await load({ hosts: ['127.0.0.1', 'LOCALHOST', 'localhost'] });
      assert.deepEqual(reordered.server, first.server);
      const moved = await load({ hosts: ['localhost', '127.0.0.1', '192.168.1.20'] });
      assert.notEqual(moved.server.certificatePem, first.server.certificatePem);
      assert.equal(moved.authority.fingerprint, first.authority.fingerprint);
      assert.deepEqual(readCertificate(moved.server.certificatePem).hosts, ['localhost', '127.0.0.1', '192.168.1.20']);
    });

    it('renew the server certificate when less than a third of its life is left, or it is from the future', async () => {
      const first = await load();
      const { notBefore, notAfter } = readCertificate(first.server.certificatePem);
      const third = (notAfter - notBefore) / 3;
      assert.deepEqual((await load({ now: notAfter - third - 1_000 })).server, first.server);
      const renewed = await load({ now: notAfter - third + 1_000 });
      assert.notDeepEqual(renewed.server, first.server);
      assert.notDeepEqual((await load({ now: NOW })).server, renewed.server);
    });

    it('renew the server certificate when its files are damaged or do not match', async () => {
      const first = await load();
      for (const damage of [
        () => rm(fileOf('server.key')),
        () => rm(fileOf('server.crt')),
        () => writeFile(fileOf('server.crt'), 'nonsense'),
        async () => writeFile(fileOf('server.key'), await readFile(fileOf('ca.key'))),
      ]) {
        await damage();
        const { server, authority } = await load();
        assert.equal(authority.fingerprint, first.authority.fingerprint);
        assert.deepEqual(await load().then((again) => again.server), server);
      }
    });

    it('keep the pin when a crash left the key of the authority alone', async () => {
      const first = await load();
      await rm(fileOf('ca.crt'));
      await rm(fileOf('server.crt'));
      const second = await load();
      assert.ok(second.created);
      assert.equal(second.authority.spkiSha256, first.authority.spkiSha256);
    });

    it('are never replaced when a part of the authority is gone or damaged', async () => {
      await load();
      const key = await readFile(fileOf('ca.key'));
      for (const [damage, file] of [
        [() => rm(fileOf('ca.crt')), 'ca.crt'],
        [() => writeFile(fileOf('ca.crt'), 'nonsense', { mode: 0o600 }), 'identity: the certificate'],
      ] as const) {
        await damage();
        await assert.rejects(load(), { reason: 'STATE_CORRUPT', detail: new RegExp(`${file}`) });
        assert.deepEqual(await readFile(fileOf('ca.key')), key);
      }
      await rm(fileOf('ca.key'));
      await assert.rejects(load(), { reason: 'STATE_CORRUPT', detail: /ca\.key is missing/ });
      assert.ok(!(await readdir(directory)).includes('ca.key'));
    });

    it('are refused when others can read them', async () => {
      await load();
      await chmod(fileOf('ca.key'), 0o644);
      await assert.rejects(load(), { reason: 'STATE_NOT_OWNED' });
    });

    it('name the host that cannot be in a certificate', async () => {
      await assert.rejects(load({ hosts: ['not a host'] }), { reason: 'CONFIG_INVALID', detail: /not a host/ });
      await load();
      await assert.rejects(load({ hosts: ['not a host'] }), { reason: 'CONFIG_INVALID', detail: /not a host/ });
    });
  });

  describe('of a node', () => {
    const identity: NodeIdentity = {
      deviceId: 'nod_01JD5Z3K9Q8V7W6X5Y4Z3A2B1C',
      name: 'pi-lab',
      certificatePem: '-----BEGIN CERTIFICATE-----\n…',
      trustBundle: ['-----BEGIN CERTIFICATE-----\n…'],
      nodeEndpoints: ['192.168.1.20:7444'],
      daemonName: 'nas',
      publicEndpoint: 'https://192.168.1.20:7443',
      caPin: '9Q3MZ8XHCV2R5T7WK4NBD6YJPE',
      grantedCapabilities: ['echo'],
      pairedAt: NOW,
    };

    it('have one key, made once', async () => {
      const key = await readOrCreateDeviceKey(directory);
      assert.equal((await stat(fileOf('device.key'))).mode & 0o777, 0o600);
      assert.deepEqual(spkiOf(await readOrCreateDeviceKey(directory)), spkiOf(key));
    });

    it('name the file of a damaged key and leave it alone', async () => {
      await readOrCreateDeviceKey(directory);
      await writeFile(fileOf('device.key'), 'nonsense');
      await assert.rejects(readOrCreateDeviceKey(directory), { reason: 'STATE_CORRUPT', detail: /device\.key/ });
      assert.equal(await readFile(fileOf('device.key'), 'utf8'), 'nonsense');
    });

    it('are read as they were written, in one private file without a key', async () => {
      assert.equal(await readNodeIdentity(directory), null);
      await writeNodeIdentity(directory, identity);
      assert.deepEqual(await readNodeIdentity(directory), identity);
      assert.deepEqual(await readdir(directory), ['identity.json']);
      assert.equal((await stat(fileOf('identity.json'))).mode & 0o777, 0o600);
      assert.ok(!(await readFile(fileOf('identity.json'), 'utf8')).includes('PRIVATE'));
    });

    it('are refused when they are damaged, incomplete or of a newer version', async () => {
      await writeNodeIdentity(directory, identity);
      const text = await readFile(fileOf('identity.json'), 'utf8');
      for (const [broken, reason] of [
        [text.slice(0, -10), 'STATE_CORRUPT'],
        ['[]', 'STATE_CORRUPT'],
        ['', 'STATE_CORRUPT'],
        [text.replace('"pairedAt"', '"pairedOn"'), 'STATE_CORRUPT'],
        [text.replace('"192.168.1.20:7444"', '7444'), 'STATE_CORRUPT'],
        [text.replace('"format": 1', '"format": 2'), 'STATE_VERSION_UNSUPPORTED'],
      ] as const) {
        await writeFile(fileOf('identity.json'), broken);
        await assert.rejects(readNodeIdentity(directory), { reason, detail: /identity\.json/ });
      }
    });

    it('are forgotten together with the key, more than once if need be', async () => {
      const key = await readOrCreateDeviceKey(directory);
      await writeNodeIdentity(directory, identity);
      await removeNodeIdentity(directory);
      await removeNodeIdentity(directory);
      assert.equal(await readNodeIdentity(directory), null);
      assert.notDeepEqual(spkiOf(await readOrCreateDeviceKey(directory)), spkiOf(key));
    });
  });
});
