/** When a silent peer is asked, and when it is given up. */
import assert from 'node:assert/strict';
import { Liveness } from '../../../src/lib/quic/liveness.js';

describe('The liveness of a QUIC peer', () => {
  const options = { keepAliveMs: 5_000, deadPeerMs: 12_000 };

  it('is asked after every keep-alive and over after twelve seconds of silence', () => {
    const peer = new Liveness(options, 0);
    assert.deepEqual([peer.deadline, peer.look(4_999)], [5_000, 'nothing']);
    assert.equal(peer.look(5_000), 'ping');
    assert.deepEqual([peer.deadline, peer.look(10_000)], [10_000, 'ping']);
    assert.deepEqual([peer.deadline, peer.look(11_999)], [12_000, 'nothing']);
    assert.equal(peer.look(12_000), 'dead');
  });

  it('is given time to answer a second PING, however short the settings are', () => {
    const peer = new Liveness({ keepAliveMs: 5_000, deadPeerMs: 1 }, 0);
    assert.equal(peer.look(5_000), 'ping');
    assert.equal(peer.look(10_000), 'ping');
    assert.deepEqual([peer.deadline, peer.look(12_000)], [12_000, 'dead']);
  });

  it('starts again with every datagram', () => {
    const peer = new Liveness(options, 0);
    for (let at = 5_000; at < 100_000; at += 5_500) {
      assert.equal(peer.look(at), 'ping');
      peer.heard(at + 500);
      assert.deepEqual([peer.heardAt, peer.deadline], [at + 500, at + 5_500]);
    }
  });

  it('is asked at once, and given three seconds, when the network says that nobody is there; once, however often it says so', () => {
    const peer = new Liveness(options, 0);
    assert.equal(peer.suspect(1_000), true);
    assert.equal(peer.suspect(1_001), false);
    assert.deepEqual([peer.deadline, peer.look(3_999), peer.look(4_000)], [4_000, 'nothing', 'dead']);
    peer.heard(4_000);
    assert.deepEqual([peer.deadline, peer.suspect(4_100)], [9_000, true]);
  });

  it('is not given up by a process that was asleep: it asks again first', () => {
    const peer = new Liveness(options, 0);
    assert.equal(peer.look(5_000), 'ping');
    assert.equal(peer.look(60_000), 'ping');
    assert.equal(peer.look(65_000), 'ping');
    assert.equal(peer.look(67_000), 'dead');
  });

  it('is left to the idle time-out when either is off', () => {
    assert.equal(new Liveness({ keepAliveMs: 0, deadPeerMs: 12_000 }, 0).deadline, Infinity);
    const asked = new Liveness({ keepAliveMs: 1_000, deadPeerMs: 0 }, 0);
    for (let at = 1_000; at < 60_000; at += 1_000) assert.equal(asked.look(at), 'ping');
  });
});
