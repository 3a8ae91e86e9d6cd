import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { loadCapabilityModules } from '../../../../src/lib/node/capabilities/modules.js';
import { temporaryDirectory } from '../../../support/temporary.js';

describe('loading capabilities from modules', () => {
  const directory = temporaryDirectory();

  it('loads a default export and names the module as its source', async () => {
    const path = join(directory(), 'probe.mjs');
    await writeFile(path, 'export default { api: 1, capabilities: [] };');
    const { registrations, failures } = await loadCapabilityModules([path]);
    assert.deepEqual(failures, []);
    assert.deepEqual(registrations, [{ plugin: 'probe.mjs', api: 1, capabilities: [] }]);
  });

  it('names what cannot be loaded and loads the rest', async () => {
    const throwing = join(directory(), 'throwing.mjs');
    const empty = join(directory(), 'empty.mjs');
    const good = join(directory(), 'good.mjs');
    await writeFile(throwing, 'throw new Error("no luck");');
    await writeFile(empty, 'export const nothing = 1;');
    await writeFile(good, 'export default { api: 1, capabilities: [] };');
    const { registrations, failures } = await loadCapabilityModules([
      'relative.mjs',
      join(directory(), 'missing.mjs'),
      throwing,
      empty,
      good,
    ]);
    assert.equal(registrations.length, 1);
    assert.deepEqual(
      failures.map(({ plugin }) => plugin),
      ['relative.mjs', join(directory(), 'missing.mjs'), throwing, empty],
    );
    assert.match(failures[0]!.message, /absolute/);
    assert.match(failures[2]!.message, /no luck/);
    assert.match(failures[3]!.message, /default export/);
  });
});
