import { strict as assert } from 'node:assert';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { watchLastSnapshot } from '../../../src/lib/daemon/last-snapshot.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('whether a daemon wrote its last snapshot', () => {
  const home = temporaryDirectory();
  const at = (name: string) => join(home(), 'state', `node-runtime.v1.${name}`);
  const snapshot = async () => {
    await writeFile(at('temporary'), 'the same');
    await rename(at('temporary'), at('json'));
  };

  beforeEach(async () => {
    await mkdir(join(home(), 'state'));
    await writeFile(at('journal'), '');
  });

  it('is told by another file under its name, whatever is in it', async () => {
    await snapshot();
    const wasWritten = await watchLastSnapshot(join(home(), 'state'));
    assert.equal(await wasWritten(), false);
    await snapshot();
    assert.equal(await wasWritten(), true);
  });

  it('is told of the first one too', async () => {
    const wasWritten = await watchLastSnapshot(join(home(), 'state'));
    assert.equal(await wasWritten(), false);
    await snapshot();
    assert.equal(await wasWritten(), true);
  });

  it('is not known where the state of the daemon is not', async () => {
    const wasWritten = await watchLastSnapshot(join(home(), 'elsewhere'));
    assert.equal(await wasWritten(), null);
  });
});
