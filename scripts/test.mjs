// npm test: installs and builds what is missing, checks what is generated, then runs the tests with mocha.
//   npm test                      everything
//   npm test -- unit contract     only these kinds (folders below test/)
//   npm test -- --grep "a link"   any option of mocha
//   npm test -- --built           trust dist and the generated files as they are
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertNodeVersion, buildWhenStale, install, root } from './prepare.mjs';

const KINDS = ['unit', 'contract', 'property', 'architecture', 'e2e', 'fault'];
const say = (line) => console.error(line);

assertNodeVersion();
const words = process.argv.slice(2);
const kinds = KINDS.filter((kind) => words.includes(kind));
const options = words.filter((word) => !KINDS.includes(word) && word !== '--built');

install(say);
if (!words.includes('--built')) {
  await buildWhenStale(say);
  await checkGenerated();
}
// A path among the options replaces the usual selection.
const files = options.some((word) => word.endsWith('.ts'))
  ? []
  : (kinds.length > 0 ? kinds : KINDS).map((kind) => `test/${kind}/**/*.test.ts`);
const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
const { status, signal } = spawnSync(process.execPath, [mocha, ...options, ...files], { cwd: root, stdio: 'inherit' });
process.exitCode = signal === null ? (status ?? 1) : 1;

async function checkGenerated() {
  const { createManifest } = await import('./manifest.mjs');
  if ((await createManifest()) !== readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) {
    console.error('oclif.manifest.json does not match the commands. Run: npm run manifest');
    process.exit(1);
  }
}
