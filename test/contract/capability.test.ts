import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { builtinCapabilities } from '../../src/lib/node/capabilities/builtin.js';
import { loadCapabilityModules } from '../../src/lib/node/capabilities/modules.js';
import { describeCapabilities } from './capability.js';

const machine = realpathSync(mkdtempSync(join(tmpdir(), 'palyra-capabilities-')));
mkdirSync(join(machine, 'bin'));
writeFileSync(join(machine, 'bin', 'xdg-open'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
writeFileSync(join(machine, 'note.txt'), 'hello\n');
const command = (text: string) => [process.execPath, '-e', text];
const hello = command('console.log("hello")');
const endless = command('setInterval(() => {}, 1000)');
after(() => rm(machine, { recursive: true, force: true }));

const desktop = { DISPLAY: ':99', PATH: `${join(machine, 'bin')}${delimiter}${process.env['PATH'] ?? ''}` };
const nodeLog = { path: join(machine, 'node.log'), redact: (value: unknown) => value };
writeFileSync(nodeLog.path, '{"time":"2026-11-22T05:00:00.000Z","level":"info","scope":"link","msg":"online"}\n');
describeCapabilities('palyra', builtinCapabilities(desktop, 'linux', nodeLog), {
  'desktop.open_path': {
    accepted: [{ path: join(machine, 'note.txt') }, { path: machine }],
    refused: [{}, { path: 1 }, { path: '/x', more: 1 }],
  },
  'desktop.open_url': {
    accepted: [{ url: 'https://example.com/' }],
    refused: [{}, { url: 1 }, 'https://example.com/'],
  },
  'fs.list': { accepted: [{ path: machine }], refused: [{}, { path: '' }], allowed: [machine] },
  'fs.read_text': {
    accepted: [{ path: join(machine, 'note.txt') }, { path: join(machine, 'note.txt'), maxBytes: 2 }],
    refused: [{}, { path: '/x', maxBytes: 0 }],
    allowed: [machine],
  },
  'process.run': {
    accepted: [{ argv: hello }],
    refused: [{}, { argv: [] }, { argv: 'ls' }],
    allowed: [JSON.stringify(hello), JSON.stringify(endless)],
    endless: { argv: endless },
  },
  'system.logs': {
    accepted: [{}, { lines: 1 }, { level: 'warn' }],
    refused: [{ lines: 0 }, { lines: 1001 }, { level: 'debug' }, { path: '/etc/passwd' }],
  },
  'system.which': {
    accepted: [{ name: 'sh' }, { name: 'no-such-program' }],
    refused: [{}, { name: '../sh' }, { name: '-x' }],
  },
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
