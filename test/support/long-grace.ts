/**
 * The machine's clock, on which a removed node's connections stand for long: what is to be told to it is told by then, however busy this machine is. That they
 * end in time is another test's business (`fault/tls-front.test.ts`).
 */
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import { REVOKED_GRACE_MS } from '../../src/lib/daemon/device-connections.js';

export const longGrace: Clock = {
  ...systemClock,
  schedule: (delayMs, action) => systemClock.schedule(delayMs === REVOKED_GRACE_MS ? 30_000 : delayMs, action),
};
