import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const SNAPSHOT = `${root}test/contract/snapshots/commands.txt`;

interface Manifest {
  readonly version: string;
  readonly commands: Readonly<
    Record<
      string,
      {
        readonly id: string;
        readonly aliases: readonly string[];
        readonly summary?: string;
        readonly examples?: readonly unknown[];
        readonly args: Readonly<Record<string, { readonly required?: boolean }>>;
        readonly flags: Readonly<
          Record<
            string,
            {
              readonly char?: string;
              readonly type: string;
              readonly hidden?: boolean;
              readonly summary?: string;
              readonly description?: string;
            }
          >
        >;
      }
    >
  >;
}

const manifest = JSON.parse(readFileSync(`${root}oclif.manifest.json`, 'utf8')) as Manifest;

describe('what is generated from the commands', function () {
  this.timeout(60_000);

  it('oclif.manifest.json is that of the commands, and names no path of this machine', async () => {
    const { createManifest } = await load<{ createManifest: () => Promise<string> }>('manifest.mjs');
    const text = await createManifest();
    assert.equal(readFileSync(`${root}oclif.manifest.json`, 'utf8'), text, 'run: npm run manifest');
    assert.ok(!text.includes(root));
  });

  it('docs/schemas are those of the documents', async () => {
    const { createSchemas } = await load<{ createSchemas: () => Map<string, string> }>('schemas.mjs');
    for (const [name, text] of createSchemas()) {
      assert.equal(readFileSync(`${root}docs/schemas/${name}`, 'utf8'), text, 'run: node scripts/schemas.mjs');
    }
  });

  it('the command tree is the one that was agreed on (PALYRA_TEST_UPDATE=1 writes it)', () => {
    const tree = Object.values(manifest.commands)
      .map(({ id, aliases, args, flags }) => {
        const words = Object.entries(args).map(([name, { required }]) =>
          required === true ? `<${name}>` : `[${name}]`,
        );
        const names = Object.entries(flags).map(
          ([name, { char, type }]) =>
            `  --${name}${char === undefined ? '' : ` -${char}`}${type === 'option' ? ' …' : ''}`,
        );
        return [
          [id.replaceAll(':', ' '), ...words, ...aliases.map((alias) => `(alias: ${alias})`)].join(' '),
          ...names.sort(),
        ].join('\n');
      })
      .sort()
      .join('\n\n');
    if (process.env['PALYRA_TEST_UPDATE'] === '1' || !existsSync(SNAPSHOT)) writeFileSync(SNAPSHOT, `${tree}\n`);
    assert.equal(`${tree}\n`, readFileSync(SNAPSHOT, 'utf8'));
  });

  it('every command says what it does, every flag too, and has an example', () => {
    for (const { id, summary, examples, flags } of Object.values(manifest.commands)) {
      assert.ok(summary !== undefined && summary !== '', id);
      assert.ok((examples ?? []).length >= 1, `${id} has no example`);
      for (const [name, flag] of Object.entries(flags))
        assert.ok((flag.summary ?? flag.description ?? '') !== '', `${id} --${name}`);
    }
  });

  it('commands that only talk to the daemon load neither gRPC, X.509, zod nor pino', () => {
    const heavy = /grpc-js|node-forge|\/\/ node_modules\/zod|\/\/ node_modules\/pino/;
    for (const { id } of Object.values(manifest.commands)) {
      for (const file of staticImports(`${root}dist/commands/${fileOf(id)}`)) {
        assert.doesNotMatch(readFileSync(file, 'utf8'), heavy, `${id} loads ${file}`);
      }
    }
  });
});

/** A script of the package; they are plain JavaScript. */
async function load<T>(script: string): Promise<T> {
  return (await import(`../../scripts/${script}`)) as T;
}

function fileOf(id: string): string {
  const path = id.replaceAll(':', '/');
  return existsSync(`${root}dist/commands/${path}.js`) ? `${path}.js` : `${path}/index.js`;
}

/** The file and everything it imports before it runs. */
function staticImports(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const [, specifier = ''] of readFileSync(entry, 'utf8').matchAll(
    /^(?:import|export)\s[^;]*?["'](\.[^"']+)["'];|^import\s*["'](\.[^"']+)["'];/gm,
  )) {
    if (specifier !== '') staticImports(fileURLToPath(new URL(specifier, `file://${entry}`)), seen);
  }
  return seen;
}
