/** Fills the state of a daemon that is not running with paired machines: by a daemon in this process, through its own runtime, journal and authority. */
import { join } from 'node:path';
import { systemClock } from '../../src/lib/base/clock.js';
import { silentLog } from '../../src/lib/base/log.js';
import { systemRandom } from '../../src/lib/base/random.js';
import { createDaemon } from '../../src/lib/daemon/daemon.js';
import { createDeviceKey, fingerprintOf, spkiOf } from '../../src/lib/identity/device-key.js';
import { LOCAL_OWNER } from './access.js';
import { testOptions } from './test-daemon.js';
import { TEST_FACTS } from './test-node.js';

/** `home` is the PALYRA_HOME of the daemon; the names are `<prefix>-0001` and so on. */
export async function pairMachines(home: string, count: number, prefix: string): Promise<string[]> {
  const places = { stateDirectory: join(home, 'state', 'daemon'), socketPath: join(home, 'run', 'daemon.sock') };
  const daemon = await createDaemon(
    { ...testOptions(home), ...places },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
  try {
    const { runtime } = daemon;
    const invite = await runtime.invites.create(LOCAL_OWNER, {
      ...{ verifier: { locator: prefix, storedKey: '00', serverKey: '00' }, expiresInMs: 3_600_000 },
      ...{ usesMax: count, approval: 'none', name: null, labels: { batch: prefix }, purpose: null, capabilities: null },
    });
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${String(index + 1).padStart(4, '0')}`);
    for (const name of names) {
      const spki = spkiOf(createDeviceKey());
      await runtime.requestPairing({
        ...{ inviteId: invite.id, spki, keyFingerprint: fingerprintOf(spki) },
        ...{ facts: { ...TEST_FACTS, hostname: name }, requestedName: name, address: '192.0.2.7' },
      });
    }
    return names;
  } finally {
    await daemon.stop();
  }
}
