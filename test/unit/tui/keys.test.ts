/** Keys out of bytes, however they arrive, and lines that are typed. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { KeyDecoder, type Key } from '../../../src/lib/tui/keys/key-decoder.js';
import { graphemesOf } from '../../../src/lib/cli/text.js';
import { edit, emptyField, fieldOf, insert } from '../../../src/lib/tui/state/text-field.js';

const whole = (bytes: string): Key[] => {
  const decoder = new KeyDecoder();
  return [...decoder.push(bytes), ...decoder.flush()];
};
/** Neighbouring text is one key or several, as it arrives. */
const joined = (keys: readonly Key[]): Key[] =>
  keys.reduce<Key[]>((all, key) => {
    const last = all.at(-1);
    if (last?.name === 'text' && key.name === 'text')
      all[all.length - 1] = { name: 'text', text: last.text + key.text };
    else all.push(key);
    return all;
  }, []);

describe('The keys of the terminal UI', () => {
  it('are read from the sequences of usual terminals', () => {
    const names = (bytes: string) => whole(bytes).map(({ name }) => name);
    assert.deepEqual(names('\u001b[A\u001bOB\u001b[1;5C\u001b[D'), ['up', 'down', 'right', 'left']);
    assert.deepEqual(names('\u001b[5~\u001b[6~\u001b[H\u001b[4~\u001b[3~\u001b[Z'), [
      ...['page-up', 'page-down', 'home', 'end', 'delete', 'back-tab'],
    ]);
    assert.deepEqual(names('\r\t\u007f\u0003\u001a\u000c\u0005'), [
      ...['enter', 'tab', 'backspace', 'ctrl-c', 'ctrl-z', 'ctrl-l', 'ctrl-e'],
    ]);
    assert.deepEqual(names('\u001b'), ['escape']);
    assert.deepEqual(names('\u001b\u001b[A'), ['escape', 'up']);
  });

  it('are the same wherever the bytes are split', () => {
    const piece = fc.constantFrom(
      '\u001b[A',
      '\u001b[6~',
      'x',
      'ü',
      '客',
      '🚀',
      '\r',
      '\u001b[200~a\rq\u001b[201~',
      '\u001bOP',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 8 }), (pieces, cuts) => {
        // Whole characters arrive: the stream decodes UTF-8.
        const bytes = Array.from(pieces.join(''));
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const decoder = new KeyDecoder();
        const keys = places.slice(1).flatMap((end, index) => decoder.push(bytes.slice(places[index], end).join('')));
        assert.deepEqual(joined([...keys, ...decoder.flush()]), joined(whole(bytes.join(''))));
      }),
    );
  });

  it('never make a command of what is pasted, of Alt and a letter, or of an unknown sequence', () => {
    assert.deepEqual(whole('\u001b[200~q\rx\u001b[201~'), [{ name: 'paste', text: 'q\rx' }]);
    assert.deepEqual(whole('\u001bq'), []);
    assert.deepEqual(whole('\u001b[?1;2c\u001b[<0;1;1M\u001b[99~'), []);
    assert.deepEqual(whole('\u0001\u0002\u009b'), []);
  });

  it('keep no unfinished sequence for ever', () => {
    const decoder = new KeyDecoder();
    decoder.push(`\u001b[200~${'x'.repeat(70_000)}`);
    assert.equal(decoder.isWaiting, false);
    assert.deepEqual(decoder.push('q'), [{ name: 'text', text: 'q' }]);
  });
});

describe('A line that is typed', () => {
  it('edits whole characters', () => {
    const field = fieldOf('a👩‍🚀客');
    assert.equal(field.cursor, 3);
    assert.deepEqual(edit(edit(field, 'left'), 'backspace'), { text: 'a客', cursor: 1 });
    assert.deepEqual(edit(edit(field, 'home'), 'delete'), { text: '👩‍🚀客', cursor: 0 });
    assert.deepEqual(insert(edit(field, 'left'), 'é'), { text: 'a👩‍🚀é客', cursor: 3 });
    assert.deepEqual(edit(field, 'clear'), emptyField);
  });

  it('holds no control character and is bounded, and its cursor stays inside', () => {
    const step = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 6 }).map((text) => ({ text })),
      fc.constantFrom('left', 'right', 'home', 'end', 'backspace', 'delete', 'clear').map((key) => ({ key })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let field = emptyField;
        for (const one of steps) field = 'text' in one ? insert(field, `${one.text}\u001b`) : edit(field, one.key);
        assert.ok(field.cursor >= 0 && field.cursor <= graphemesOf(field.text).length);
        assert.doesNotMatch(field.text, /[\u0000-\u001f\u007f-\u009f]/);
      }),
    );
    assert.ok(graphemesOf(insert(emptyField, 'x'.repeat(10_000)).text).length <= 4096);
  });
});
