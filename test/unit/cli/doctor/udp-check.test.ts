/** What doctor makes of the answers over UDP; that they are asked for is seen in the e2e tests. */
import assert from 'node:assert/strict';
import type { Reason } from '../../../../src/lib/base/reasons.js';
import { udpCheck, type UdpFacts } from '../../../../src/lib/cli/doctor/udp-check.js';

describe('doctor: network.udp', () => {
  const dead = (reason: Reason = 'DAEMON_UNREACHABLE', endpoint = '10.0.0.1:7444') => ({
    endpoint,
    rttMs: null,
    problem: { reason, detail: `${endpoint}: nobody` },
  });
  const daemon = (state: 'on' | 'off', url: string) =>
    ({ listen: [{ url }], quic: { state, why: 'it is turned off' } }) as never;
  const find = async (answers: Awaited<ReturnType<UdpFacts['ask']>>, more: Partial<UdpFacts> = {}) => {
    const signal = new AbortController().signal;
    const proxy = async () => null;
    const facts = { ask: async () => answers, proxy, mode: async () => 'auto', local: async () => null, ...more };
    const { status, detail } = await udpCheck(facts).run(signal);
    return `${status}: ${detail}`;
  };

  it('asks nothing when a proxy is on the way, which carries no datagrams', async () => {
    const words = await find(null, { proxy: async () => 'http://proxy:3128' });
    assert.equal(words, 'skip: datagrams cannot go through the proxy http://proxy:3128; links go over TCP instead');
  });

  it('passes when one address answers, also with a refusal', async () => {
    const near = { endpoint: '10.0.0.2:7444', rttMs: 3.4, problem: null };
    assert.equal(await find([dead(), near]), 'pass: datagrams reach the daemon at 10.0.0.2:7444 (3 ms)');
    assert.match(await find([dead(), dead('NODE_REVOKED', 'a:1')]), /^pass: .* a:1, which refuses this machine$/);
  });

  it('warns when none does, and when another daemon answers', async () => {
    const warning = /^warn: no datagram reaches the daemon \(10\.0\.0\.1:7444: nobody\); links go over TCP instead$/;
    assert.match(await find([dead()]), warning);
    assert.match(await find([dead('DAEMON_IDENTITY_MISMATCH')]), /^warn: /);
    const local = async () => daemon('off', 'https://10.0.0.9:7444');
    assert.match(await find([dead()], { local }), warning);
    assert.match(await find([dead()], { local: () => Promise.reject(new Error('locked')) }), warning);
  });

  it('is skipped where there is nothing to reach, and says why', async () => {
    assert.match(await find(null), /^skip: this machine is not paired$/);
    assert.match(await find([dead('QUIC_UNAVAILABLE')]), /^skip: QUIC cannot be used on this machine/);
    assert.match(await find([dead()], { mode: async () => 'grpc' }), /^skip: the node was told to use grpc/);
    const local = async () => daemon('off', 'https://10.0.0.1:7444');
    assert.match(await find([dead()], { local }), /^skip: the daemon does not serve QUIC: it is turned off/);
  });
});
