import assert from 'node:assert/strict';
import { systemRandom, type Random } from '../../../src/lib/base/random.js';
import {
  caPin,
  formatCode,
  humanFingerprint,
  isCrockford,
  newInviteCode,
  newShortId,
  normalizeCrockford,
  parseInviteCode,
} from '../../../src/lib/identity/codes.js';

const fixed = (hex: string): Random => ({
  bytes: (size) => Buffer.from(hex, 'hex').subarray(0, size),
  fraction: () => 0,
});

describe('codes', () => {
  it('encodes most significant bit first in the alphabet of Crockford', () => {
    // 0x00443214C74254B635CF84653A56D7C675BE77DF holds the values 0 to 31 in order, five bits each.
    assert.equal(newInviteCode(fixed('00443214c74254b6')), '0123456789AB');
    assert.equal(newShortId(fixed('ffffffff')), 'ZZZZZZ');
  });

  it('gives codes of twelve and ids of six characters, none of them confusable', () => {
    for (let round = 0; round < 200; round++) {
      assert.match(newInviteCode(systemRandom), /^[0-9A-HJKMNP-TV-Z]{12}$/);
      assert.match(newShortId(systemRandom), /^[0-9A-HJKMNP-TV-Z]{6}$/);
    }
  });

  it('uses all 60 bits: every position takes every character', () => {
    const seen = Array.from({ length: 12 }, () => new Set<string>());
    for (let round = 0; round < 2_000; round++) {
      [...newInviteCode(systemRandom)].forEach((character, position) => seen[position]?.add(character));
    }
    assert.deepEqual(
      seen.map((characters) => characters.size),
      new Array(12).fill(32),
    );
  });

  it('reads what people type: any case, spaces, dashes, I and L as 1, O as 0', () => {
    assert.equal(normalizeCrockford(' k7qf-2m9d 4tiO '), 'K7QF2M9D4T10');
    assert.equal(parseInviteCode('k7qf 2m9d-4tlo'), 'K7QF2M9D4T10');
  });

  it('says what is wrong with a code without repeating it', () => {
    for (const [typed, detail] of [
      ['K7QF-2M9D-4TX', /11 characters instead of 12/],
      ['', /0 characters instead of 12/],
      ['K7QF-2M9D-4TXU', /character that no code has/],
      ['K7QF-2M9D-4TX🦊', /character that no code has/],
    ] as const) {
      assert.throws(() => parseInviteCode(typed), { reason: 'CODE_MALFORMED', detail });
      try {
        parseInviteCode(typed);
      } catch (error) {
        assert.ok(!String(error).includes('K7QF'));
      }
    }
  });

  it('groups codes and fingerprints by four', () => {
    assert.equal(formatCode('K7QF2M9D4TXW'), 'K7QF-2M9D-4TXW');
    assert.match(humanFingerprint(Buffer.from('a key')), /^(?:[0-9A-Z]{4} ){3}[0-9A-Z]{4}$/);
  });

  it('pins a key by the first 130 bits of its SHA-256 and shows the first 80 of the same', () => {
    const key = Buffer.from('a key');
    assert.ok(isCrockford(caPin(key), 26));
    assert.equal(humanFingerprint(key).replaceAll(' ', ''), caPin(key).slice(0, 16));
    assert.notEqual(caPin(key), caPin(Buffer.from('another key')));
  });
});
