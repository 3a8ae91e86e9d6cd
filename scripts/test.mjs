// npm test: installs and builds what is missing, checks what is generated, then runs the tests with mocha.
//   npm test                      everything
//   npm test -- unit contract     only these kinds (folders below test/)
//   npm test -- test/e2e/tui.test.ts   only these files, or these too
//   npm test -- --grep "a link"   any option of mocha
//   npm test -- --times           how long each file took, at the end
//   npm test -- --built           trust dist and the generated files as they are
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runLanes, testsOf } from './lanes.mjs';
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
const paths = options.filter((word) => word.endsWith('.test.ts'));
const files = [...(kinds.length + paths.length > 0 ? kinds : KINDS).flatMap(testsOf), ...paths];
const others = options.filter((word) => !paths.includes(word) && word !== '--times');
process.exitCode = await runLanes(files, { options: others, times: options.includes('--times') });

async function checkGenerated() {
  const { createManifest } = await import('./manifest.mjs');
  if ((await createManifest()) !== readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) {
    console.error('oclif.manifest.json does not match the commands. Run: npm run manifest');
    process.exit(1);
  }
}
