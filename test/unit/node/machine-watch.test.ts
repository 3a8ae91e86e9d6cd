import { strict as assert } from 'node:assert';
import type { NetworkInterfaceInfo } from 'node:os';
import { watchMachine, type MachineChange, type MachineGap } from '../../../src/lib/node/machine-watch.js';
import { HandClock } from '../../support/hand-clock.js';

describe('the watch over the machine', () => {
  let clock: HandClock;
  let changes: MachineChange[];
  let gaps: MachineGap[];
  let address: string;
  let end: () => void;

  beforeEach(() => {
    clock = new HandClock(Date.now());
    changes = [];
    gaps = [];
    address = '192.168.1.7';
    const entry = () => ({ address, internal: false }) as NetworkInterfaceInfo;
    end = watchMachine({ clock, interfaces: () => ({ eth0: [entry()] }) }, (what, gap) => {
      changes.push(what);
      gaps.push(gap);
    });
  });
  afterEach(() => {
    end();
    assert.equal(clock.pending, 0);
  });

  it('says nothing while time passes as it should, nor for a small correction of the clock', () => {
    clock.advance(600_000);
    clock.jump(2_000);
    clock.advance(5_000);
    assert.deepEqual(changes, []);
  });

  it('notices once that the clock jumped, forwards and backwards', () => {
    clock.jump(3_600_000);
    clock.advance(5_000);
    assert.deepEqual(changes, ['woke up']);
    clock.jump(-3_600_000);
    clock.advance(5_000);
    assert.deepEqual(changes, ['woke up', 'woke up']);
    assert.deepEqual(gaps, [
      { pausedMs: 0, clockMs: 3_600_000 },
      { pausedMs: 0, clockMs: -3_600_000 },
    ]);
  });

  it('notices another network', () => {
    clock.advance(5_000);
    address = '10.0.0.4';
    clock.advance(5_000);
    assert.deepEqual(changes, ['network changed']);
  });
});
