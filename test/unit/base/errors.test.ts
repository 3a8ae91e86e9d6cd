import assert from 'node:assert/strict';
import { PalyraError } from '../../../src/lib/base/errors.js';

describe('an error', () => {
  it('names the node in the command that comes next, where that can be typed as it is', () => {
    const hintFor = (node: unknown) => new PalyraError('CAPABILITY_NOT_FOUND', { details: { node } }).hint;
    assert.equal(hintFor('pi-lab'), 'See what it offers: palyra nodes show pi-lab');
    for (const odd of ['客厅', '-x', 'a b', 'a;b', '', 7, undefined])
      assert.equal(hintFor(odd), 'See what it offers: palyra nodes show <node>');
  });

  it('is the same error on the other side of a wire', () => {
    const error = new PalyraError('CAPABILITY_NOT_GRANTED', { detail: 'echo', details: { node: 'pi' } });
    const facts = JSON.parse(JSON.stringify(error.toFacts())) as ReturnType<PalyraError['toFacts']>;
    assert.deepEqual(PalyraError.fromFacts(facts).toFacts(), error.toFacts());
    assert.equal(PalyraError.fromFacts({ ...facts, reason: 'OF_A_NEWER_PEER' }).reason, 'INTERNAL');
  });
});
