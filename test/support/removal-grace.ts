/** The machine's clock, but for the time that a removed node's connections have: long, and what is to be told is told by then, however busy this machine is. */
import { systemClock, type Clock } from '../../src/lib/base/clock.js';
import { REVOKED_GRACE_MS } from '../../src/lib/daemon/device-connections.js';

export function withRemovalGrace(graceMs: number): Clock {
  return {
    ...systemClock,
    schedule: (delayMs, action) => systemClock.schedule(delayMs === REVOKED_GRACE_MS ? graceMs : delayMs, action),
  };
}
