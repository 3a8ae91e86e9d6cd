/** What a context takes from an answer of its daemon about the CA that takes over, and what it does not. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { systemRandom } from '../../../src/lib/base/random.js';
import { follow } from '../../../src/lib/cli/learned-trust.js';
import { Authority, createAuthority } from '../../../src/lib/identity/authority.js';

describe('what a context learns of a CA that is replaced', () => {
  const now = Date.now();
  const make = (name: string) => new Authority(createAuthority({ now, random: systemRandom, name }));
  const [old, next, other] = [make('nas'), make('nas 2'), make('other')];
  const leafOf = (authority: Authority) =>
    new X509Certificate(authority.issueServer({ hosts: ['127.0.0.1'], now, random: systemRandom }).certificatePem);
  const rest = { url: 'https://127.0.0.1:7443', operator: 'max', role: 'operator', addedAt: '2026-01-01T00:00:00Z' };
  const pinned = { ...rest, caPem: old.certificatePem };
  const shownBy = (authority: Authority) => leafOf(authority).raw;

  it('trusts the next one beside the pinned one, then in its place', () => {
    const both = follow(pinned, { nextCaPem: next.certificatePem, serverCertificate: shownBy(old) });
    assert.equal(both.caPem, old.certificatePem);
    assert.equal(
      new X509Certificate(both.nextCaPem!).fingerprint256,
      new X509Certificate(next.certificatePem).fingerprint256,
    );
    assert.equal(
      follow(both, { nextCaPem: next.certificatePem, serverCertificate: shownBy(old) }),
      both,
      'nothing new',
    );
    assert.equal(follow(both, { nextCaPem: null, serverCertificate: shownBy(old) }), both, 'not over yet');
    const after = follow(both, { nextCaPem: null, serverCertificate: shownBy(next) });
    assert.equal(after.nextCaPem, undefined);
    assert.equal(
      new X509Certificate(after.caPem!).fingerprint256,
      new X509Certificate(next.certificatePem).fingerprint256,
    );
  });

  it('takes nothing that is no CA, nothing for what no pin protects, and the last word of several', () => {
    const learn = (nextCaPem: string, record = pinned) =>
      follow(record, { nextCaPem, serverCertificate: shownBy(old) });
    assert.equal(learn(leafOf(next).toString()), pinned, 'a leaf');
    assert.equal(learn('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'), pinned);
    assert.equal(learn(old.certificatePem), pinned, 'the one it has');
    const public_ = { ...rest, caPem: null };
    assert.equal(follow(public_, { nextCaPem: next.certificatePem, serverCertificate: shownBy(other) }), public_);
    const again = learn(other.certificatePem, { ...pinned, nextCaPem: next.certificatePem } as typeof pinned);
    assert.match((again as { nextCaPem?: string }).nextCaPem ?? '', /BEGIN/);
  });
});
