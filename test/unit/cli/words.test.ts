import assert from 'node:assert/strict';
import fc from 'fast-check';
import { longDuration, parseDuration, shortDuration, spent } from '../../../src/lib/cli/durations.js';
import { closest, displayWidth, printable, printableJson } from '../../../src/lib/cli/text.js';
import { formatTable, formatTsv } from '../../../src/lib/cli/table.js';

describe('durations', () => {
  it('reads what people type', () => {
    assert.equal(parseDuration('30s'), 30_000);
    assert.equal(parseDuration('10m'), 600_000);
    assert.equal(parseDuration('24H'), 86_400_000);
    assert.equal(parseDuration('7d'), 604_800_000);
    assert.equal(parseDuration('250ms'), 250);
  });

  it('refuses a number without a unit and anything else', () => {
    for (const text of ['30', '', 's', '-5s', '1.5h', '5 minutes', '1h30m', '9999999999s']) {
      assert.throws(() => parseDuration(text), { reason: 'USAGE_INVALID' }, text);
    }
  });

  it('writes one unit in tables and two in sentences', () => {
    assert.equal(shortDuration(-3), '0 s');
    assert.equal(shortDuration(61_000), '1 min');
    assert.equal(longDuration(11_520_000), '3 h 12 min');
    assert.equal(longDuration(3 * 86_400_000 + 4 * 3_600_000), '3 d 04 h');
    assert.equal(spent(38.4), '38 ms');
    assert.equal(spent(4210), '4.2 s');
  });
});

describe('text for a terminal', () => {
  it('lets no control character through, whatever a machine is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(text), /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });

  it('prints JSON that reads back to the same value and holds no character a terminal obeys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = printableJson(value);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));

        assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
    );
    assert.equal(printableJson({ text: '\u009b2J' }), '{ "text": "\\u009b2J" }');
  });

  it('measures wide characters as two cells, marks as none and our own colours as none', () => {
    assert.equal(displayWidth('pi-lab'), 6);
    assert.equal(displayWidth('Küche — „Pi“ … ·'), 16);
    assert.equal(displayWidth('日本'), 4);
    assert.equal(displayWidth('e\u0301'), 1);
    assert.equal(displayWidth('\u001b[32m✓\u001b[0m'), 1);
  });

  it('aligns columns by width and replaces what would break a line', () => {
    const columns = [
      { header: 'NAME', value: (row: string) => row },
      { header: 'SIZE', value: (row: string) => String(row.length) },
    ];
    assert.deepEqual(formatTable(['日本', 'a\nb'], columns), ['NAME   SIZE', '日本   2', 'a\ufffdb    3']);
    assert.deepEqual(formatTsv(['a\tb'], columns), ['a\ufffdb\t3']);
  });

  it('suggests only what is near', () => {
    assert.equal(closest('nodes lst', ['nodes list', 'nodes show']), 'nodes list');
    assert.equal(closest('statsu', ['status', 'version']), 'status');
    assert.equal(closest('frobnicate', ['status', 'version']), null);
  });
});
