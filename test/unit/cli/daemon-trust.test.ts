import assert from 'node:assert/strict';
import { systemRandom } from '../../../src/lib/base/random.js';
import { decideTrust } from '../../../src/lib/cli/daemon-trust.js';
import { humanFingerprintOf, matchesFingerprint } from '../../../src/lib/cli/fingerprint.js';
import { Authority, createAuthority } from '../../../src/lib/identity/authority.js';

const material = createAuthority({ now: Date.now(), random: systemRandom, name: 'one' });
const one = new Authority(material);
const renewed = new Authority(
  createAuthority({ now: Date.now() + 1000, random: systemRandom, name: 'one', keyPem: material.keyPem }),
);
const two = new Authority(createAuthority({ now: Date.now(), random: systemRandom, name: 'two' }));
const shown = (authority: Authority) => ({ caPem: authority.certificatePem, caFingerprint: authority.fingerprint });
const words = humanFingerprintOf(one.certificatePem);
const base = { context: 'nas', url: 'https://nas.lan:7443', wanted: null, known: undefined };

describe('trust on first use', () => {
  it('shows the words of a daemon that is new', () => {
    const trust = decideTrust({ ...base, shown: shown(one) });
    assert.deepEqual([trust.caPem, trust.words], [one.certificatePem, words]);
    assert.match(trust.remark, /new to this machine/);
  });

  it('goes on with the key it knows, also under a renewed certificate', () => {
    const trust = decideTrust({ ...base, known: one.certificatePem, shown: shown(renewed) });
    assert.deepEqual([trust.caPem, trust.remark], [renewed.certificatePem, 'as before']);
  });

  it('refuses another key, none at all, and what was vouched for by others before', () => {
    for (const question of [
      { ...base, known: one.certificatePem, shown: shown(two) },
      { ...base, known: one.certificatePem, shown: null },
      { ...base, known: null, shown: shown(one) },
      { ...base, wanted: words, shown: shown(two) },
      { ...base, wanted: words, shown: null },
      { ...base, wanted: words, known: two.certificatePem, shown: shown(one) },
    ]) {
      assert.throws(() => decideTrust(question), { reason: 'DAEMON_IDENTITY_CHANGED' });
    }
  });

  it('takes the fingerprint as words or as sha256, in any spelling', () => {
    const hex = one.fingerprint;
    for (const spelling of [
      words,
      words.toLowerCase(),
      words.replaceAll(' ', '-'),
      `sha256:${hex}`,
      hex.toUpperCase(),
    ]) {
      assert.ok(matchesFingerprint(one.certificatePem, spelling), spelling);
      assert.ok(!matchesFingerprint(two.certificatePem, spelling), spelling);
    }
    for (const bad of ['', 'abc', `sha256:${hex.slice(2)}`, `${words} X`, '!!!! !!!! !!!! !!!!']) {
      assert.throws(() => matchesFingerprint(one.certificatePem, bad), { reason: 'USAGE_INVALID' }, bad);
    }
  });
});
