import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { builtinCapabilities } from '../../src/lib/node/capabilities/builtin.js';
import { loadCapabilityModules } from '../../src/lib/node/capabilities/modules.js';
import { describeCapabilities } from './capability.js';

describeCapabilities('palyra', builtinCapabilities, {
  echo: { accepted: [{}, { text: 'hello' }, { any: [1, { deep: null }] }], refused: ['text', null, { text: 1 }] },
  'system.health': { accepted: [{}], refused: [{ verbose: true }, []] },
  'system.identity': { accepted: [{}], refused: [{ verbose: true }, 1] },
});

const probe = fileURLToPath(new URL('../fixtures/plugin-probe/capabilities.js', import.meta.url));
const { registrations } = await loadCapabilityModules([probe]);
const file = join(tmpdir(), `palyra-probe-${process.pid}`);
describe('with a file to leave traces in', () => {
  after(() => rm(file, { force: true }));
  describeCapabilities('the probe plugin of the tests', registrations[0]!, {
    'probe.sleep': {
      accepted: [{ ms: 1 }, { ms: 0, marker: 'm' }],
      refused: [{}, { ms: -1 }, { ms: 1, more: 1 }],
      endless: { ms: 600_000 },
    },
    'probe.effect': { accepted: [{ ms: 0, file }], refused: [{ ms: 0 }], endless: { ms: 600_000, file } },
  });
});
