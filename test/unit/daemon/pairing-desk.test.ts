import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../src/lib/base/clock.js';
import type { InviteRecord } from '../../../src/lib/base/model.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { PairingDesk } from '../../../src/lib/daemon/pairing-desk.js';
import { MAX_SESSIONS, MAX_SESSIONS_PER_SOURCE, SESSION_TTL_MS } from '../../../src/lib/daemon/pairing-sessions.js';
import type { Approvals } from '../../../src/lib/runtime/approvals.js';
import { createDeviceKey, spkiOf } from '../../../src/lib/identity/device-key.js';
import { deriveCodeKeys, toVerifier } from '../../../src/lib/identity/pairing-proof.js';

const HEX = '0'.repeat(64);

describe('the pairing desk', () => {
  const newSpki = () => spkiOf(createDeviceKey());
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    schedule: (_delay, action) => {
      queueMicrotask(action);
      return () => undefined;
    },
  };
  let desk: PairingDesk;

  before(async () => {
    const verifier = toVerifier(await deriveCodeKeys('K7QF2M9D4TXW', HEX));
    const runtime = {
      invites: { evaluateLocator: async () => ({ id: 'inv_000000', verifier }) as unknown as InviteRecord },
      requestPairing: () => Promise.reject(new Error('not reached')),
      approvals: undefined as unknown as Approvals,
      approval: () => {
        throw new Error('not reached');
      },
    };
    desk = new PairingDesk({ runtime, clock, random: systemRandom }, () => ({
      caSpkiSha256: HEX,
      serverCertificateSha256: HEX,
    }));
  });

  const begin = (address: string) =>
    desk.begin({
      locator: randomBytes(16),
      nodeNonce: randomBytes(32),
      spki: newSpki(),
      protocol: { min: 1, max: 1 },
      address,
    });
  const complete = (sessionId: string) =>
    desk.complete({
      sessionId,
      codeProof: Buffer.alloc(32),
      possessionProof: Buffer.alloc(64),
      requestedName: null,
      facts: { hostname: 'h', platform: 'linux', arch: 'x64', version: '1', protocol: 1, capabilities: [] },
      address: '10.0.0.1',
    });

  it('holds a bounded number of half-done pairings, also under a flood, and is free again after a minute', async () => {
    let held = 0;
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const source = `10.0.${attempt % 40}.1`;
      await begin(source).then(
        () => (held += 1),
        (error: unknown) => assert.equal((error as { reason: string }).reason, 'PAIRING_BUSY'),
      );
    }
    assert.equal(held, MAX_SESSIONS);
    assert.equal(desk.openSessions, MAX_SESSIONS);
    now += SESSION_TTL_MS;
    await begin('10.1.0.1');
    assert.equal(desk.openSessions, 1);
    desk.sweep();
    now += SESSION_TTL_MS;
    desk.sweep();
    assert.equal(desk.openSessions, 0);
  });

  it('gives one source a few places only: an IPv6 /64 is one', async () => {
    for (let count = 0; count < MAX_SESSIONS_PER_SOURCE; count += 1) await begin(`2001:db8::${count}`);
    await assert.rejects(begin('2001:db8::ffff'), { reason: 'PAIRING_BUSY' });
    await begin('2001:db8:0:1::1');
    now += SESSION_TTL_MS;
    desk.sweep();
  });

  it('gives a machine that begins again one place, not two', async () => {
    const again = { nodeNonce: randomBytes(32), spki: newSpki(), protocol: { min: 1, max: 1 }, address: '10.0.0.1' };
    const first = await desk.begin({ ...again, locator: randomBytes(16) });
    for (let count = 0; count < 10; count += 1) await desk.begin({ ...again, locator: randomBytes(16) });
    assert.equal(desk.openSessions, 1);
    await assert.rejects(complete(first.sessionId), { reason: 'PAIRING_SESSION_UNKNOWN' });
    now += SESSION_TTL_MS;
    desk.sweep();
  });

  it('knows a session once, and not after a minute', async () => {
    const first = await begin('10.0.0.1');
    await assert.rejects(complete(first.sessionId), { reason: 'INVITE_REFUSED' });
    await assert.rejects(complete(first.sessionId), { reason: 'PAIRING_SESSION_UNKNOWN' });
    const second = await begin('10.0.0.1');
    now += SESSION_TTL_MS;
    await assert.rejects(complete(second.sessionId), { reason: 'PAIRING_SESSION_UNKNOWN' });
    assert.equal(desk.openSessions, 0);
  });
});
