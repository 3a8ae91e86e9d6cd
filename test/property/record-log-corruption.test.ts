/**
 * Every way a log can be damaged that one can enumerate: cut at every offset, one bit of every byte, zeros from every offset, every record doubled,
 * swapped or dropped, two logs spliced at every record. Each gives the prefix before the damage or STATE_CORRUPT with file and offset, never another
 * state (I10).
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CHAIN_START, encodeRecord, scanRecords } from '../../src/lib/base/record-chain.js';
import type { ChainLink, ScannedLog } from '../../src/lib/base/record-chain.js';
import { cpuMs } from '../support/cpu-time.js';

interface Fixture {
  readonly bytes: Buffer;
  readonly lines: readonly Buffer[];
  readonly values: readonly unknown[];
  /** Offset of the end of each line; `ends[0]` is 0. */
  readonly ends: readonly number[];
  readonly links: readonly ChainLink[];
}

function build(values: readonly unknown[]): Fixture {
  const lines: Buffer[] = [];
  const ends = [0];
  const links: ChainLink[] = [CHAIN_START];
  for (const value of values) {
    const { line, link } = encodeRecord(value, links.at(-1) as ChainLink);
    lines.push(line);
    links.push(link);
    ends.push((ends.at(-1) as number) + line.length);
  }
  return { bytes: Buffer.concat(lines), lines, values, ends, links };
}

/** About 20 kB, records of 40 to 500 bytes, text of every width and look-alikes of log lines in it. */
const LOG = build(
  Array.from({ length: 80 }, (_, index) => ({
    index,
    text: 'añ漢😀\n"\\ 00000000 7 00000000 {} '.repeat(12).slice(0, 20 + ((index * 37) % 300)),
  })),
);

function wholeBefore(offset: number, fixture = LOG): number {
  let count = 0;
  while (count < fixture.lines.length && (fixture.ends[count + 1] as number) <= offset) count++;
  return count;
}

type Verdict = { readonly count: number } | { readonly offset: number };

function judge(bytes: Buffer, fixture = LOG): Verdict {
  let scan: ScannedLog;
  try {
    scan = scanRecords(bytes, 'the.journal');
  } catch (error) {
    const { reason, details } = error as { reason: string; details: { file: string; offset: number } };
    assert.equal(reason, 'STATE_CORRUPT');
    assert.equal(details.file, 'the.journal');
    return { offset: details.offset };
  }
  const count = scan.values.length;
  assert.deepEqual(scan.values, fixture.values.slice(0, count), 'a different state');
  assert.equal(scan.goodBytes, fixture.ends[count]);
  assert.deepEqual(scan.head, fixture.links[count]);
  return { count };
}

describe('a damaged log', () => {
  it('gives all records when nothing is damaged', () => {
    assert.ok(LOG.bytes.length > 18_000 && LOG.bytes.length < 40_000, `${LOG.bytes.length}`);
    assert.deepEqual(judge(LOG.bytes), { count: 80 });
  });

  it('gives the whole records before a cut, at every offset', function () {
    this.timeout(60_000);
    for (let cut = 0; cut <= LOG.bytes.length; cut++) {
      assert.deepEqual(judge(LOG.bytes.subarray(0, cut)), { count: wholeBefore(cut) }, `cut at ${cut}`);
    }
  });

  it('refuses one changed bit in any byte, naming the record; only without its newline the last one looks like a torn write', function () {
    this.timeout(60_000);
    const bytes = Buffer.from(LOG.bytes);
    for (let at = 0; at < bytes.length; at++) {
      const bit = 1 << (at % 8);
      bytes[at] = (bytes[at] as number) ^ bit;
      const hit = wholeBefore(at);
      const expected = at === bytes.length - 1 ? { count: 79 } : { offset: LOG.ends[hit] };
      assert.deepEqual(judge(bytes), expected, `bit ${at % 8} of byte ${at}`);
      bytes[at] = (bytes[at] as number) ^ bit;
    }
  });

  it('gives the whole records before zeros that reach the end, from every offset', function () {
    this.timeout(60_000);
    for (let from = 0; from < LOG.bytes.length; from++) {
      const bytes = Buffer.from(LOG.bytes);
      bytes.fill(0, from);
      assert.deepEqual(judge(bytes), { count: wholeBefore(from) }, `zeros from ${from}`);
    }
  });

  it('gives the whole records before zeros that a file system put behind the end', () => {
    assert.deepEqual(judge(Buffer.concat([LOG.bytes, Buffer.alloc(4096)])), { count: 80 });
  });

  it('refuses a hole of zeros with whole records behind it', () => {
    for (let hole = 0; hole < 79; hole++) {
      const bytes = Buffer.from(LOG.bytes);
      bytes.fill(0, LOG.ends[hole], LOG.ends[hole + 1]);
      assert.deepEqual(judge(bytes), { offset: LOG.ends[hole] });
    }
  });

  it('refuses a record that is there twice, missing, or in the wrong place', () => {
    for (let at = 0; at < 80; at++) {
      const doubled = LOG.lines.toSpliced(at, 0, LOG.lines[at] as Buffer);
      assert.deepEqual(judge(Buffer.concat(doubled)), { offset: LOG.ends[at + 1] }, `doubled ${at}`);
      const dropped = LOG.lines.toSpliced(at, 1);
      // Without the last one it is a shorter log that somebody could have written.
      assert.deepEqual(
        judge(Buffer.concat(dropped)),
        at === 79 ? { count: 79 } : { offset: LOG.ends[at] },
        `dropped ${at}`,
      );
      for (let other = at + 1; other < 80; other += 9) {
        const swapped = [...LOG.lines];
        [swapped[at], swapped[other]] = [swapped[other] as Buffer, swapped[at] as Buffer];
        assert.deepEqual(judge(Buffer.concat(swapped)), { offset: LOG.ends[at] }, `swapped ${at} and ${other}`);
      }
    }
  });

  it('refuses the end of another log behind the beginning of this one', () => {
    const other = build(LOG.values.map((value) => ({ ...(value as object), other: true })));
    for (let at = 1; at < 80; at++) {
      const spliced = Buffer.concat([...LOG.lines.slice(0, at), ...other.lines.slice(at)]);
      assert.deepEqual(judge(spliced), { offset: LOG.ends[at] }, `spliced after ${at}`);
    }
  });

  it('refuses a log that does not continue its snapshot, and skips what the snapshot contains', () => {
    for (let at = 0; at <= 80; at++) {
      const after = LOG.links[at] as ChainLink;
      assert.deepEqual(scanRecords(LOG.bytes, 'f', after).values, LOG.values.slice(at));
      assert.deepEqual(scanRecords(LOG.bytes.subarray(LOG.ends[at]), 'f', after).values, LOG.values.slice(at));
      if (at === 0) continue;
      const wrong = { seq: after.seq, crc: (after.crc ^ 1) >>> 0 };
      assert.throws(() => scanRecords(LOG.bytes, 'f', wrong), { reason: 'STATE_CORRUPT' });
      if (at === 80) continue;
      assert.throws(() => scanRecords(LOG.bytes.subarray(LOG.ends[at]), 'f', wrong), { reason: 'STATE_CORRUPT' });
      const gap = LOG.bytes.subarray(LOG.ends[at + 1]);
      if (gap.length > 0)
        assert.throws(() => scanRecords(gap, 'f', after), { reason: 'STATE_CORRUPT' }, `gap at ${at}`);
    }
    const short = LOG.bytes.subarray(0, LOG.ends[40]);
    assert.throws(() => scanRecords(short, 'f', LOG.links[41]), {
      reason: 'STATE_CORRUPT',
      detail: /ends at record 40/,
    });
  });

  it('gives back any JSON values', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), (values) => {
        const fixture = build(values.map((value) => JSON.parse(JSON.stringify(value)) as unknown));
        assert.deepEqual(judge(fixture.bytes, fixture), { count: values.length });
      }),
      { numRuns: 200 },
    );
  });

  it('gives a prefix or refuses, whatever bytes are overwritten, inserted or removed', () => {
    const span = fc.record({
      at: fc.nat(LOG.bytes.length),
      removed: fc.nat(300),
      inserted: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(span, ({ at, removed, inserted }) => {
        const bytes = Buffer.concat([LOG.bytes.subarray(0, at), inserted, LOG.bytes.subarray(at + removed)]);
        const verdict = judge(bytes);
        if ('count' in verdict) assert.ok(verdict.count >= wholeBefore(at) || bytes.equals(LOG.bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  it('stays fast when hostile text in a torn record looks like thousands of records', () => {
    const hostile = encodeRecord({ text: '00000000 9 00000000 '.repeat(50_000) }, CHAIN_START).line;
    const torn = Buffer.from(hostile.subarray(0, hostile.length - 1));
    torn[0] = 0x78;
    const started = cpuMs();
    assert.deepEqual(scanRecords(torn, 'f').values, []);
    assert.ok(cpuMs() - started < 1_000);
  });
});
