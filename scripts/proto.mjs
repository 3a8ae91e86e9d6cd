// Generates src/lib/wire/grpc/generated from proto/. With --check: generates into a scratch directory and fails on any difference.
// The generators live in tools/proto (they weigh more than palyra); they are installed on first use.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tools = join(root, 'tools', 'proto');
const committed = join(root, 'src', 'lib', 'wire', 'grpc', 'generated');
const check = process.argv.includes('--check');

if (!existsSync(join(tools, 'node_modules'))) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: tools, stdio: 'inherit' });
}
const buf = join(tools, 'node_modules', '.bin', 'buf');
execFileSync(buf, ['lint'], { cwd: join(root, 'proto'), stdio: 'inherit' });

const out = check ? mkdtempSync(join(tmpdir(), 'palyra-proto-')) : committed;
try {
  if (!check) rmSync(committed, { recursive: true, force: true });
  const template = {
    version: 'v2',
    plugins: [
      {
        local: join(tools, 'node_modules', '.bin', 'protoc-gen-ts_proto'),
        out,
        opt: [
          'outputServices=grpc-js',
          'esModuleInterop=true',
          'importSuffix=.js',
          'forceLong=number',
          'oneof=unions',
          'env=node',
          'useOptionals=none',
          'exportCommonSymbols=false',
          'outputJsonMethods=false',
          'outputPartialMethods=false',
        ],
      },
    ],
  };
  execFileSync(buf, ['generate', '--template', JSON.stringify(template)], {
    cwd: join(root, 'proto'),
    stdio: 'inherit',
  });
  if (check) compare(out, committed);
} finally {
  if (check) rmSync(out, { recursive: true, force: true });
}

function files(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .map((name) => join(dir, String(name)))
    .filter((path) => statSync(path).isFile())
    .map((path) => relative(dir, path))
    .sort();
}

function compare(fresh, old) {
  const names = [...new Set([...files(fresh), ...files(old)])];
  const stale = names.filter((name) => {
    const [a, b] = [join(fresh, name), join(old, name)];
    return !existsSync(a) || !existsSync(b) || readFileSync(a, 'utf8') !== readFileSync(b, 'utf8');
  });
  if (stale.length === 0) return;
  console.error(`Generated code is stale: ${stale.join(', ')}. Run: npm run proto`);
  process.exitCode = 1;
}
