// npm run smoke -- 24            a subset of the tests on another Node, whose binary comes from the npm registry (package node-<platform>-<arch>)
// npm run smoke -- 26 --all      the whole suite there
// What is tested is the build that is here; only Node differs.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { testsOf } from './lanes.mjs';
import { root } from './prepare.mjs';

const [major, ...rest] = process.argv.slice(2);
if (!/^\d+$/.test(major ?? '')) {
  console.error('Say which Node: npm run smoke -- 24');
  process.exit(2);
}

const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const prefix = join(tmpdir(), `palyra-smoke-node-${major}-${process.getuid?.() ?? 0}`);
const binary = join(prefix, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
if (!existsSync(binary)) {
  mkdirSync(prefix, { recursive: true, mode: 0o700 });
  execFileSync(
    'npm',
    ['install', '--prefix', prefix, '--no-audit', '--no-fund', '--no-save', '--loglevel=error', `${name}@${major}`],
    { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' },
  );
}
console.log(execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim());

const all = rest.includes('--all');
const options = rest.filter((word) => word !== '--all');
// Child processes find this Node first, so that what the tests start runs on it too.
const env = { ...process.env, PATH: `${dirname(binary)}${delimiter}${process.env.PATH}` };
// Whatever touches Node itself (TLS, HTTP/2, UDP, processes, terminals) is met by these; the others test our own rules, which are the same on each Node.
const OUR_OWN = ['cli-generated', 'csrf-table', 'generated-client', 'login-attack', 'principals-table', 'quic-bench'];
const SMOKE = [
  ...testsOf('unit'),
  ...testsOf('contract').filter((file) => !OUR_OWN.includes(basename(file, '.test.ts'))),
  ...['spine', 'journey', 'login', 'quic', 'transports', 'watch', 'tui'].map((name) => `test/e2e/${name}.test.ts`),
];
const files = all || options.some((word) => word.endsWith('.test.ts')) ? [] : SMOKE;
const { status } = spawnSync(binary, [join(root, 'scripts', 'test.mjs'), '--built', ...options, ...files], {
  cwd: root,
  stdio: 'inherit',
  env,
});
process.exitCode = status ?? 1;
