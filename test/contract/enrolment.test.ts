import { strict as assert } from 'node:assert';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';

import type { Clock } from '../../src/lib/base/clock.js';
import { systemClock } from '../../src/lib/base/clock.js';
import { PalyraError } from '../../src/lib/base/errors.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { createDeviceKey, spkiOf } from '../../src/lib/identity/device-key.js';
import type { Authority } from '../../src/lib/identity/authority.js';
import { caPin, humanFingerprint } from '../../src/lib/identity/codes.js';
import { readCertificate } from '../../src/lib/identity/certificate.js';
import { readNodeIdentity, readOrCreateDeviceKey } from '../../src/lib/identity/material.js';
import { enroll, type EnrollOptions, type EnrollStep } from '../../src/lib/node/enroll.js';
import { markRevoked } from '../../src/lib/node/revocation.js';
import { PairingState } from '../../src/lib/wire/grpc/generated/palyra/pairing/v1/pairing.js';
import { testAuthority } from '../support/fake-daemon.js';
import { CODE, FakePairing, type PairingScript } from '../support/fake-pairing.js';
import { DEVICE_ID } from '../support/paired-directory.js';
import { rejectsWith } from '../support/rejects-with.js';
import { temporaryDirectory } from '../support/temporary.js';

const DAY_MS = 86_400_000;
const NO_LINK = { host: '127.0.0.1', port: 1, code: CODE, caPin: '' };

describe('enrolling a node', () => {
  const home = temporaryDirectory();
  let authority: Authority;
  let pairing: FakePairing | null;
  let steps: EnrollStep[];

  before(() => {
    authority = testAuthority();
  });
  beforeEach(() => {
    steps = [];
    pairing = null;
  });
  afterEach(() => pairing?.stop());

  const directory = () => join(home(), 'node');
  const start = async (script: Partial<PairingScript> = {}) => (pairing = await FakePairing.start(authority, script));
  const shifted = (ms: number): Clock => ({ ...systemClock, now: () => Date.now() + ms });
  const byLink = (over: Partial<EnrollOptions> = {}, clock: Clock = systemClock) =>
    enroll(
      {
        target: { kind: 'link', link: pairing?.link ?? NO_LINK },
        stateDirectory: directory(),
        name: 'pi-lab',
        facts: { hostname: 'pi', platform: 'linux', arch: 'arm64', version: '1.0.0', protocol: 1, capabilities: [] },
        onStep: (step) => steps.push(step),
        ...over,
      },
      { clock, random: systemRandom, log: silentLog },
    );
  const byCode = (code: string, over: Partial<EnrollOptions> = {}) =>
    byLink({ target: { kind: 'code', host: '127.0.0.1', port: pairing!.port, code }, ...over });
  const nothingWasSent = () => {
    assert.deepEqual([pairing?.begun.length ?? 0, pairing?.completed.length ?? 0], [0, 0]);
  };

  it('joins by link: checks the pin, proves, and keeps a complete identity', async () => {
    await start();
    const identity = await byLink();
    assert.deepEqual(await readNodeIdentity(directory()), identity);
    assert.equal(identity.deviceId, DEVICE_ID);
    assert.equal(identity.caPin, caPin(authority.spki));
    assert.deepEqual(identity.trustBundle, [authority.certificatePem]);
    assert.deepEqual(identity.nodeEndpoints, ['127.0.0.1:7444']);
    assert.equal(identity.publicEndpoint, `https://127.0.0.1:${pairing!.port}`);
    const key = await readOrCreateDeviceKey(directory());
    assert.ok(readCertificate(identity.certificatePem).spki.equals(spkiOf(key)));
    assert.equal(pairing!.completed[0]?.requestedName, 'pi-lab');
    assert.equal(pairing!.completed[0]?.facts?.hostname, 'pi');
    const fingerprint = humanFingerprint(authority.spki);
    assert.deepEqual(steps, [{ step: 'reached', host: '127.0.0.1', port: pairing!.port, pinned: true, fingerprint }]);
    assert.deepEqual((await readdir(directory())).sort(), ['device.key', 'identity.json']);
  });

  it('joins by a typed code, however it is typed', async () => {
    await start();
    const identity = await byCode(' k7qf-2m9d-4txw ');
    assert.equal(identity.caPin, caPin(authority.spki));
    assert.equal(steps[0]?.step === 'reached' && steps[0].pinned, false);
  });

  it('sends nothing to a daemon whose identity is not the one in the link', async () => {
    await start();
    const link = { ...pairing!.link, caPin: caPin(testAuthority().spki) };
    const error = await rejectsWith(byLink({ target: { kind: 'link', link } }), 'DAEMON_IDENTITY_MISMATCH');
    assert.match(error.message, /not the one in the link/);
    nothingWasSent();
  });

  it('sends nothing to one that shows the right CA but cannot have its certificate from it', async () => {
    const other = testAuthority();
    await start({ leafAuthority: other });
    await rejectsWith(byLink(), 'DAEMON_IDENTITY_MISMATCH');
    nothingWasSent();
  });

  it('sends no proof, no facts to a daemon that cannot prove the code first', async () => {
    for (const script of [{ proof: 'random' }, { code: 'AAAAAAAAAAAA' }] as const) {
      await start(script);
      await rejectsWith(byCode(CODE), 'PAIRING_PROOF_INVALID');
      assert.equal(pairing!.begun.length, 1);
      assert.equal(pairing!.completed.length, 0);
      pairing!.stop();
    }
  });

  it('names a wrong clock in words, by the certificate and by the time the daemon tells', async () => {
    await start();
    const behind = await rejectsWith(byLink({}, shifted(-41 * DAY_MS - 3_600_000)), 'CLOCK_SKEW');
    assert.match(behind.message, /at least 41 days behind the daemon/);
    const ahead = await rejectsWith(byLink({}, shifted(4_000 * DAY_MS)), 'CLOCK_SKEW');
    assert.match(ahead.message, /days ahead of the daemon/);
    nothingWasSent();
    pairing!.script.clockAheadMs = 7 * 60_000 + 1_000;
    const slow = await rejectsWith(byLink(), 'CLOCK_SKEW');
    assert.match(slow.message, /7 minutes behind the daemon/);
    assert.equal(pairing!.completed.length, 0);
    pairing!.script.clockAheadMs = 4 * 60_000;
    await byLink();
  });

  it("hands on the daemon's refusal and keeps the same key for the next try", async () => {
    await start({ refuse: new PalyraError('NAME_TAKEN', { detail: 'pi-lab' }) });
    await rejectsWith(byLink(), 'NAME_TAKEN');
    pairing!.script.refuse = null;
    await byLink({ name: 'pi-two' });
    assert.deepEqual(pairing!.begun[0]?.publicKey, pairing!.begun[1]?.publicKey);
  });

  it('refuses a code that is none before it touches the network', async () => {
    await start();
    await rejectsWith(byCode('TOO-SHORT'), 'CODE_MALFORMED');
    nothingWasSent();
  });

  it('waits for a person over a restart of the daemon, and tells once', async () => {
    await start({
      waits: [[{ message: 'asked eva' }, { message: 'asked eva' }, 'cut'], [{ message: 'asked eva' }], []],
    });
    await byLink();
    const waiting = steps.filter(({ step }) => step === 'waiting');
    assert.equal(waiting.length, 1);
    assert.equal(waiting[0]?.step === 'waiting' && waiting[0].message, 'asked eva');
    assert.ok(pairing!.awaited.length >= 4);
    assert.equal(pairing!.completed.length, 1, 'the request is made once');
  });

  it('says that it was rejected, by whom and why, and that it expired', async () => {
    const { PAIRING_STATE_REJECTED, PAIRING_STATE_EXPIRED } = PairingState;
    await start({
      waits: [
        [{ state: PAIRING_STATE_REJECTED, message: 'rejected by eva: "not ours"' }],
        [{ state: PAIRING_STATE_EXPIRED }],
      ],
    });
    const rejected = await rejectsWith(byLink(), 'PAIRING_REJECTED');
    assert.match(rejected.message, /by eva: "not ours"/);
    assert.equal(rejected.exitCode, 78);
    assert.equal(await readNodeIdentity(directory()), null);
  });

  it('stops when it is told to, and takes its request up again the next time without another proof', async () => {
    await start({ waits: [[{ message: 'asked' }]] });
    const controller = new AbortController();
    const joining = byLink({
      signal: controller.signal,
      onStep: ({ step }) => (step === 'waiting' ? controller.abort(new PalyraError('CANCELLED')) : undefined),
    });
    await rejectsWith(joining, 'CANCELLED');
    assert.equal(
      (JSON.parse(await readFile(join(directory(), 'join.json'), 'utf8')) as { requestId: string }).requestId,
      'req_000001',
    );
    await byLink();
    assert.equal(pairing!.completed.length, 1);
    assert.ok(!(await readdir(directory())).includes('join.json'));
  });

  it('makes a new request when the earlier one is over', async () => {
    await start({
      waits: [[{ state: PairingState.PAIRING_STATE_REJECTED }], [{ state: PairingState.PAIRING_STATE_REJECTED }]],
    });
    await rejectsWith(byLink(), 'PAIRING_REJECTED');
    await byLink();
    assert.equal(pairing!.completed.length, 2);
  });

  it('refuses a certificate that is not for this key, not of this CA or for another device', async () => {
    const now = Date.now();
    const deviceId = DEVICE_ID;
    const ours = async () => spkiOf(await readOrCreateDeviceKey(directory()));
    const theirs = spkiOf(createDeviceKey());
    const spki = await ours();
    const cases: [RegExp, PairingScript['material']][] = [
      [
        /another key/,
        (m) => ({
          ...m,
          certificate: authority.issueNode({ deviceId, spki: theirs, now, random: systemRandom }).certificatePem,
        }),
      ],
      [
        /another identity/,
        (m) => ({
          ...m,
          certificate: testAuthority().issueNode({ deviceId, spki, now, random: systemRandom }).certificatePem,
        }),
      ],
      [/another device/, (m) => ({ ...m, deviceId: 'nod_01JANOTHER' })],
    ];
    for (const [message, material] of cases) {
      await start({ material });
      const error = await rejectsWith(byLink(), 'PAIRING_PROOF_INVALID');
      assert.match(error.message, message);
      assert.equal(await readNodeIdentity(directory()), null);
      pairing!.stop();
    }
    await start({ material: (honest) => ({ ...honest, nodeEndpoints: ['not an endpoint', '/etc/passwd'] }) });
    await rejectsWith(byLink(), 'MESSAGE_INVALID');
  });

  it('returns the identity when it belongs to that daemon already, and refuses another daemon', async () => {
    await start();
    const identity = await byLink();
    assert.deepEqual(await byLink(), identity);
    assert.deepEqual(await byCode(CODE), identity);
    assert.equal(pairing!.begun.length, 1);
    const link = { ...pairing!.link, caPin: caPin(testAuthority().spki) };
    const error = await rejectsWith(byLink({ target: { kind: 'link', link } }), 'NODE_ALREADY_PAIRED');
    assert.match(error.message, /belongs to nas/);
  });

  it('joins again after the daemon refused its certificate for good', async () => {
    await start();
    const identity = await byLink();
    const { fingerprint } = readCertificate(identity.certificatePem);
    await markRevoked(directory(), fingerprint, 'NODE_REVOKED', Date.now());
    const again = await byLink();
    assert.notEqual(again.certificatePem, identity.certificatePem);
    assert.equal(pairing!.begun.length, 2);
    assert.deepEqual(await byLink(), again, 'the mark is for the old certificate only');
  });

  describe('when the network fails', () => {
    let stranger: Server | null = null;
    afterEach(() => void stranger?.close());

    const linkTo = (host: string, port: number): EnrollOptions['target'] => ({
      kind: 'link',
      link: { host, port, code: CODE, caPin: caPin(authority.spki) },
    });
    const listen = async (onConnection: (text: (data: string) => void) => void) => {
      stranger = createServer((socket) => {
        socket.on('error', () => undefined);
        onConnection((data) => socket.end(data));
      });
      await new Promise<void>((resolve) => stranger!.listen(0, '127.0.0.1', resolve));
      return (stranger.address() as { port: number }).port;
    };

    it('says that the name is unknown', async () => {
      const error = await rejectsWith(byLink({ target: linkTo('no-such-host.invalid', 7443) }), 'DAEMON_UNREACHABLE');
      assert.match(error.message, /no-such-host\.invalid port 7443: its name cannot be resolved \(DNS\)/);
    });

    it('says that the connection was refused', async () => {
      const error = await rejectsWith(byLink({ target: linkTo('127.0.0.1', 1) }), 'DAEMON_UNREACHABLE');
      assert.match(error.message, /127\.0\.0\.1 port 1: the connection was refused/);
    });

    it('says that nothing answers in time', async () => {
      const port = await listen(() => undefined);
      const error = await rejectsWith(
        byLink({ target: linkTo('127.0.0.1', port), timeoutMs: 200 }),
        'DAEMON_UNREACHABLE',
      );
      assert.match(error.message, /did not answer in time/);
    });

    it('says that something else answers', async () => {
      const port = await listen((say) => say('HTTP/1.1 400 Bad Request\r\n\r\n'));
      const error = await rejectsWith(byLink({ target: linkTo('127.0.0.1', port) }), 'DAEMON_UNREACHABLE');
      assert.match(error.message, /not a palyra daemon/);
    });

    it('stops while it tries', async () => {
      const port = await listen(() => undefined);
      const controller = new AbortController();
      const joining = byLink({ target: linkTo('127.0.0.1', port), signal: controller.signal });
      setImmediate(() => controller.abort(new PalyraError('CANCELLED')));
      await rejectsWith(joining, 'CANCELLED');
    });
  });
});
