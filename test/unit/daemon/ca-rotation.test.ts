/** The replacement of the CA over real files: killed after any step, the next life of the daemon goes on there, and there is one CA in the end. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog } from '../../../src/lib/base/log.js';
import { systemRandom } from '../../../src/lib/base/random.js';
import { Authorities } from '../../../src/lib/daemon/authorities.js';
import { CaRotation, FORCE_WAIT_MS } from '../../../src/lib/daemon/ca-rotation.js';
import { loadOrCreateDaemonIdentity } from '../../../src/lib/identity/material.js';
import { readRotation, type RotationStep } from '../../../src/lib/identity/rotation.js';
import type { Holding } from '../../../src/lib/runtime/runtime.js';
import { HandClock } from '../../support/hand-clock.js';
import { rejectsWith } from '../../support/rejects-with.js';
import { temporaryDirectory } from '../../support/temporary.js';

const OPTIONS = { force: false, keepMs: 0 };

class Fleet {
  waiting: { name: string; online: boolean; expected: boolean; lastSeenAt: number | null }[] = [];
  announced: number[] = [];
  retired: string[] = [];

  readonly authorities = {
    announce: (certificates: readonly string[]) => void this.announced.push(certificates.length),
    holding: (): Holding => ({ holding: 2 - this.waiting.length, total: 2, waiting: this.waiting, openInvites: 1 }),
    leftBehind: () => this.waiting.map(({ name }) => name),
    retireOthers: async (authority: string) => {
      this.retired.push(authority);
      return { leftBehind: [], endedInvites: 1 };
    },
  };
}

describe('CaRotation', () => {
  const root = temporaryDirectory();
  let directory: string;
  let clock: HandClock;
  let fleet: Fleet;
  let entries: string[];

  beforeEach(() => {
    directory = join(root(), 'identity');
    clock = new HandClock();
    fleet = new Fleet();
    entries = [];
  });

  /** A life of the daemon; it dies in the middle of `crashAt`. */
  const life = async (crashAt?: RotationStep) => {
    const onStep = (step: RotationStep) => {
      if (step === crashAt) throw new Error(`killed at ${step}`);
    };
    const authorities = new Authorities();
    const load = async () => {
      const options = { hosts: ['127.0.0.1'], name: 'nas', now: clock.now(), random: systemRandom };
      const identity = await loadOrCreateDaemonIdentity(directory, { ...options, onRotationStep: onStep });
      authorities.set(identity);
      return identity;
    };
    const { rotation: record } = await load();
    const rotation = new CaRotation(
      {
        clock,
        random: systemRandom,
        log: silentLog,
        auditor: { write: async ({ action }) => void entries.push(action) },
        runtime: { authorities: fleet.authorities } as never,
        authorities,
        exposure: { refresh: async () => void (await load()) },
        onStep,
      },
      { directory, name: 'nas' },
      record,
    );
    await rotation.resume();
    return { rotation, authorities };
  };

  const consistent = async ({ authorities }: { authorities: Authorities }) => {
    const [leaf] = authorities.server.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/);
    const ca = new X509Certificate(authorities.shown.certificatePem);
    assert.ok(new X509Certificate(leaf!).verify(ca.publicKey), 'the CA that is shown made what is shown');
    assert.equal(await readFile(join(directory, 'ca.crt'), 'utf8'), authorities.shown.certificatePem);
  };

  const steps: RotationStep[] = [
    'key-written',
    'certificate-written',
    'overlap',
    'retiring',
    'key-replaced',
    'certificate-replaced',
    'done',
  ];
  for (const step of steps) {
    it(`goes on when it was killed after "${step}"`, async () => {
      const first = await life(step);
      const oldKey = await readFile(join(directory, 'ca.key'), 'utf8');
      const old = first.authorities.shown.spkiSha256;
      await first.rotation.begin('eva', OPTIONS).catch(() => undefined);
      await first.rotation.look();
      const begun = await readRotation(directory);

      const second = await life();
      await consistent(second);
      if (begun === null) {
        assert.equal(second.authorities.shown.spkiSha256, old, 'nothing has happened');
        assert.equal(await second.rotation.begin('eva', OPTIONS), true);
      }
      const { to } = (await readRotation(directory))!;
      if (begun !== null) assert.equal(to, begun.to, 'the same new one');
      await second.rotation.look();
      assert.equal(second.rotation.view().phase, 'done');
      assert.deepEqual([second.authorities.shown.spkiSha256, second.authorities.next], [to, null]);
      assert.notEqual(to, old);
      await consistent(second);
      await consistent(await life());
      const files = await readdir(directory);
      assert.deepEqual(files.toSorted(), ['ca.crt', 'ca.key', 'rotation.json', 'server.crt', 'server.key']);
      for (const file of files) assert.equal((await readFile(join(directory, file), 'utf8')).includes(oldKey), false);
      assert.ok(fleet.retired.every((each) => each === to) && fleet.retired.length > 0);
      assert.ok(entries.includes('ca.retired'));
    });
  }

  it('waits for the last node, tells every life of the daemon whom to trust, and signs with the new one meanwhile', async () => {
    fleet.waiting = [{ name: 'macbook', online: false, expected: false, lastSeenAt: null }];
    const first = await life();
    assert.deepEqual([first.rotation.view().phase, fleet.announced], ['none', []]);
    await first.rotation.begin('eva', OPTIONS);
    assert.equal(await first.rotation.begin('eva', OPTIONS), false, 'one at a time');
    for (let look = 0; look < 3; look++) {
      clock.advance(86_400_000);
      await first.rotation.look();
    }
    const { authorities, rotation } = await life();
    assert.deepEqual([rotation.view().phase, fleet.announced], ['overlap', [2, 2]]);
    assert.equal(authorities.signer, authorities.next);
    assert.notEqual(authorities.shown.spkiSha256, authorities.signer.spkiSha256);
    fleet.waiting = [];
    await rotation.look();
    assert.deepEqual([rotation.view().phase, rotation.view().invites, fleet.announced], ['done', 1, [2, 2, 1]]);
  });

  it('keeps the old one as long as it was asked to', async () => {
    const { rotation } = await life();
    await rotation.begin('eva', { force: false, keepMs: 3_600_000 });
    clock.advance(3_599_000);
    await rotation.look();
    assert.equal(rotation.view().phase, 'overlap');
    clock.advance(1_000);
    await rotation.look();
    assert.equal(rotation.view().phase, 'done');
  });

  it('forced, waits half a minute for who is there, and not at all for who said goodbye', async () => {
    fleet.waiting = [{ name: 'slow', online: true, expected: true, lastSeenAt: clock.now() }];
    const { rotation } = await life();
    await rotation.begin('eva', { force: true, keepMs: 0 });
    clock.advance(FORCE_WAIT_MS - 1_000);
    await rotation.look();
    assert.equal(rotation.view().phase, 'overlap');
    clock.advance(1_000);
    await rotation.look();
    assert.deepEqual([rotation.view().phase, rotation.view().leftBehind], ['done', ['slow']]);

    fleet.waiting = [{ name: 'macbook', online: false, expected: false, lastSeenAt: clock.now() }];
    await rotation.begin('eva', OPTIONS);
    assert.equal(await rotation.begin('eva', { force: true, keepMs: 0 }), true);
    assert.equal(await rotation.begin('eva', { force: true, keepMs: 0 }), false);
    await rotation.look();
    assert.deepEqual([rotation.view().phase, rotation.view().leftBehind], ['done', ['macbook']]);
    assert.ok(entries.includes('ca.forced'));
  });

  it('does not start without the new key that its record names, nor with a record that says nothing', async () => {
    fleet.waiting = [{ name: 'macbook', online: false, expected: false, lastSeenAt: null }];
    const { rotation } = await life();
    await rotation.begin('eva', OPTIONS);
    await rm(join(directory, 'ca-next.key'));
    await rejectsWith(life(), 'STATE_CORRUPT');
    await writeFile(join(directory, 'rotation.json'), '{"format":1}', { mode: 0o600 });
    await rejectsWith(life(), 'STATE_CORRUPT');
    await writeFile(join(directory, 'rotation.json'), '{"format":2}', { mode: 0o600 });
    await rejectsWith(life(), 'STATE_VERSION_UNSUPPORTED');
  });
});
