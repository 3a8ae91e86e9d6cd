/**
 * The oclif hook `node:udp`: whether datagrams reach this machine's daemon, asked with the certificate of its node. Commands load nothing of the node
 * themselves, so doctor asks here; the QUIC driver is loaded only when the machine is paired.
 */
import { systemClock } from '../lib/base/clock.js';
import { silentLog } from '../lib/base/log.js';
import { systemRandom } from '../lib/base/random.js';
import type { UdpAnswer } from '../lib/base/udp-answer.js';
import { checkUdpOfMachine } from '../lib/node/udp-check.js';

interface Asked {
  readonly stateDirectory: string;
  readonly timeoutMs: number;
}

const hook = async ({ stateDirectory, timeoutMs }: Asked): Promise<UdpAnswer[] | null> =>
  checkUdpOfMachine(stateDirectory, { clock: systemClock, random: systemRandom, log: silentLog }, timeoutMs);

export default hook;
