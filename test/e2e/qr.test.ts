import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { decodeQR } from 'qr/decode.js';
import { encodeGreyPng } from '../../src/lib/cli/png.js';
import { fitsTerminal, qrLines, qrModules, qrSize } from '../../src/lib/cli/qr.js';
import { Sandbox } from '../support/palyra.js';
import { rasterise, type Picture, type Rgb, type Theme } from '../support/terminal.js';

const LINK = 'https://192.168.1.20:7443/j/K7QF2M9D4TXW-9Q3MZ8XHCV2R5T7WK4NBD6YJPE';

/** The published palettes of themes that people use; what matters is that black and white are bent in different ways. */
const THEMES: readonly Theme[] = [
  theme('xterm dark', [229, 229, 229], [0, 0, 0], [0, 0, 0], [255, 255, 255]),
  theme('xterm light', [0, 0, 0], [255, 255, 255], [0, 0, 0], [255, 255, 255]),
  theme('Solarized dark', [131, 148, 150], [0, 43, 54], [7, 54, 66], [253, 246, 227]),
  theme('Solarized light', [101, 123, 131], [253, 246, 227], [7, 54, 66], [253, 246, 227]),
  theme('Dracula', [248, 248, 242], [40, 42, 54], [33, 34, 44], [255, 255, 255]),
];

describe('the QR code of an invite', function () {
  this.timeout(60_000);
  let directory: string;

  before(() => (directory = mkdtempSync(join(tmpdir(), 'palyra-qr-'))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const trueColour of [false, true]) {
    for (const large of [false, true]) {
      for (const [index, shown] of THEMES.entries()) {
        it(`is read in ${shown.name}, ${trueColour ? 'true' : 'basic'} colours, ${large ? 'full' : 'half'} blocks`, () => {
          const lines = qrLines(qrModules(LINK.toUpperCase()), { trueColour, large });
          const picture = rasterise(lines.map((line) => `   ${line}`).join('\n'), shown, 80);
          assert.equal(read(picture, join(directory, `${index}-${trueColour}-${large}.png`)), LINK.toUpperCase());
        });
      }
    }
  }

  it('fits 80x24 with its text, and 29 modules need no more than 33x17 cells', () => {
    const modules = qrModules(LINK.toUpperCase());
    assert.deepEqual(qrSize(modules), { columns: 33, rows: 17 });
    assert.ok(fitsTerminal(modules, { columns: 80, rows: 24 }));
    assert.ok(!fitsTerminal(modules, { columns: 80, rows: 22 }));
    assert.ok(!fitsTerminal(modules, { columns: 32, rows: 60 }));
  });

  it('is written to a file by the command, whatever the terminal', async () => {
    const sandbox = new Sandbox();
    try {
      await sandbox.startDaemon();
      const file = join(sandbox.directory, 'invite.png');
      const { code, document } = await sandbox.json(['node', 'pair', `--qr=png:${file}`]);
      assert.equal(code, 0);
      assert.equal(zbar(file) ?? decodePng(readFileSync(file)), document.invite.link.toUpperCase());
      const piped = await sandbox.run(['node', 'pair', '--qr']);
      assert.match(piped.stdout, /^https:\/\/\S+\n$/, 'a pipe gets the link alone');
    } finally {
      await sandbox.dispose();
    }
  });

  it('is drawn on a terminal in forced colours, NO_COLOR or not', async function () {
    const sandbox = new Sandbox();
    try {
      await sandbox.startDaemon();
      const env = {
        ...process.env,
        PALYRA_HOME: sandbox.home('daemon'),
        NO_COLOR: '1',
        TERM: 'xterm-256color',
        COLORTERM: '',
      };
      const command = `stty rows 24 cols 80; ${process.execPath} bin/run.js node pair --qr --no-wait`;
      // script(1) of util-linux gives the command a pseudo-terminal.
      const { stdout, error } = spawnSync('script', ['-qec', command, '/dev/null'], { env, encoding: 'utf8' });
      if (error !== undefined) return this.skip();
      const link = /palyra join (https:\S+)/.exec(stdout)?.[1];
      assert.ok(link !== undefined, stdout);
      const drawn = stdout.split(/\r?\n/).filter((line) => line.includes('\u001b[30;107m'));
      assert.equal(drawn.length, 17);
      assert.equal(read(rasterise(drawn.join('\n'), THEMES[2]!, 80), join(directory, 'drawn.png')), link.toUpperCase());
    } finally {
      await sandbox.dispose();
    }
  });
});

/** What an independent reader sees. */
function read(picture: Picture, file: string): string | null {
  writeFileSync(file, encodeGreyPng(picture.grey, picture.width, picture.height));
  return zbar(file) ?? decodePicture(picture);
}

/** zbar, or null where PALYRA_TEST_NO_ZBAR=1 allows the decoder of the `qr` package instead. */
function zbar(file: string): string | null {
  if (process.env['PALYRA_TEST_NO_ZBAR'] === '1') return null;
  const { stdout, error } = spawnSync('zbarimg', ['--quiet', '--raw', '-Sdisable', '-Sqrcode.enable', file], {
    encoding: 'utf8',
  });
  assert.ok(error === undefined, 'zbarimg is missing: install zbar-tools, or set PALYRA_TEST_NO_ZBAR=1');
  return stdout.trim();
}

function decodePicture({ width, height, grey }: Picture): string {
  const data = new Uint8Array(width * height * 3);
  grey.forEach((value, index) => data.fill(value, index * 3, index * 3 + 3));
  return decodeQR({ width, height, data });
}

function decodePng(png: Buffer): string {
  const width = png.readUInt32BE(16);
  const rows = inflateSync(png.subarray(png.indexOf('IDAT') + 4));
  const grey = Buffer.concat(
    Array.from({ length: width }, (_, y) => rows.subarray(y * (width + 1) + 1, (y + 1) * (width + 1))),
  );
  return decodePicture({ width, height: width, grey });
}

function theme(name: string, foreground: Rgb, background: Rgb, black: Rgb, brightWhite: Rgb): Theme {
  const palette = Array.from({ length: 16 }, (_, index): Rgb =>
    index === 0 ? black : index === 15 ? brightWhite : [128, 128, 128],
  );
  return { name, foreground, background, palette };
}
