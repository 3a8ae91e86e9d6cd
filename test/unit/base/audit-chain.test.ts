import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { ChainVerifier, EMPTY_CHAIN, sealEntry } from '../../../src/lib/base/audit-chain.js';
import type { AuditDraft, ChainHead, ChainReport } from '../../../src/lib/base/audit-chain.js';

const draft = (n: number): AuditDraft => ({
  at: '2026-01-02T03:04:05.678Z',
  actor: { kind: 'owner', name: 'Zoë \u0007\u2028"\\\u007f😀', credential: 'local socket' },
  origin: { listener: 'local', address: 'local' },
  action: 'nodes.remove',
  target: { node: `node-${n}`, usesLeft: n },
  outcome: 'ok',
  requestId: n % 2 === 0 ? null : `rqt_${n}`,
});

function chain(length: number): { lines: Buffer[]; head: ChainHead } {
  let head = EMPTY_CHAIN;
  const lines = Array.from({ length }, (_, index) => {
    const sealed = sealEntry(draft(index + 1), head);
    head = sealed.head;
    return Buffer.from(sealed.line);
  });
  return { lines, head };
}

function verify(lines: readonly Buffer[], head: ChainHead | null = null): ChainReport {
  const verifier = new ChainVerifier(head);
  for (const line of lines) verifier.push(line);
  return verifier.end();
}

describe('the chain of audit entries', () => {
  const { lines, head } = chain(6);

  it('is whole as it was written', () => {
    assert.deepEqual(verify(lines, head), { ok: true, entries: 6, head, firstBad: null });
    assert.deepEqual(verify([]), { ok: true, entries: 0, head: EMPTY_CHAIN, firstBad: null });
  });

  it('shows every bit that was flipped, in the entry it is in', () => {
    for (const [index, line] of lines.entries()) {
      for (let at = 0; at < line.length; at++) {
        const flipped = Buffer.from(line);
        flipped[at]! ^= 1 << (at % 8);
        const { ok, firstBad } = verify(lines.with(index, flipped), head);
        assert.ok(!ok && firstBad?.line === index + 1, `byte ${at} of line ${index + 1}`);
      }
    }
  });

  it('shows every entry that was removed, doubled, moved, or put in from elsewhere', () => {
    const foreign = Buffer.from(sealEntry({ ...draft(9), outcome: 'STORAGE_FULL' }, EMPTY_CHAIN).line);
    for (let index = 0; index < lines.length; index++) {
      assert.equal(verify(lines.toSpliced(index, 1), head).ok, false, `removed ${index}`);
      assert.equal(verify(lines.toSpliced(index, 0, lines[index]!), head).ok, false, `doubled ${index}`);
      assert.equal(verify(lines.toSpliced(index, 0, foreign), head).ok, false, `put in ${index}`);
      assert.equal(verify(lines.toSpliced(index, 0, Buffer.alloc(0)), head).ok, false, `empty line ${index}`);
      for (let other = index + 1; other < lines.length; other++) {
        const swapped = lines.with(index, lines[other]!).with(other, lines[index]!);
        assert.equal(verify(swapped, head).firstBad?.line, index + 1, `swapped ${index} and ${other}`);
      }
    }
  });

  it('shows a missing end, and an end that was written anew, to whoever kept the head', () => {
    assert.equal(verify(lines.slice(0, 5)).ok, true, 'nobody could know');
    assert.deepEqual(verify(lines.slice(0, 5), head).firstBad?.seq, 6);
    const forged = sealEntry({ ...draft(6), outcome: 'NODE_NOT_FOUND' }, verify(lines.slice(0, 5)).head);
    assert.equal(verify([...lines.slice(0, 5), Buffer.from(forged.line)], head).firstBad?.line, 6);
  });

  it('is no friend of another spelling of the same JSON', () => {
    const spaced = Buffer.from(lines[2]!.toString().replace('"ok"', ' "ok"'));
    assert.match(verify(lines.with(2, spaced)).firstBad!.problem, /form/);
  });

  it('can be checked with jq and a SHA-256 tool', function () {
    for (const line of lines) {
      let printed: Buffer;
      try {
        printed = execFileSync('jq', ['-cSj', 'del(.hash)'], { input: line });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.skip();
        throw error;
      }
      const { hash } = JSON.parse(line.toString()) as { hash: string };
      assert.equal(createHash('sha256').update(printed).digest('hex'), hash);
    }
  });

  it('keeps no control character and no long text', () => {
    const { line } = sealEntry({ ...draft(1), target: { node: `${'x'.repeat(500)}\n` } }, EMPTY_CHAIN);
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f]/);
    assert.equal((JSON.parse(line) as { target: { node: string } }).target.node.length, 200);
  });
});
