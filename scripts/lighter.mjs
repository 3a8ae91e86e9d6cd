// esbuild plugins that make what every command loads lighter (docs/decisions/0023-cli-start.md). They look only at @oclif/core and undici, whose versions are
// pinned; a new version that they do not understand stops the build.
import { readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const OCLIF = /[\\/]node_modules[\\/]@oclif[\\/]core[\\/]/;
const UNDICI = /[\\/]node_modules[\\/]undici[\\/]/;
const LEFT_OUT_FUNCTION = "() => { throw new Error('left out'); }";

/**
 * What libraries load as they start and nothing here needs. undici is kept from HTTP/2, which it is never asked for, and from the bodies of fetch: ours
 * are text. oclif is told that this is not Windows Subsystem for Linux, which only changes a name that nobody reads, and that this Node is new enough
 * for it, which our own package.json demands more of; what it logs for its developers is made when DEBUG asks for it.
 */
const LEFT_OUT = [
  { module: /[\\/]client-h2\.js$/, importer: UNDICI, contents: `module.exports = ${LEFT_OUT_FUNCTION};` },
  {
    module: /[\\/]web[\\/]fetch[\\/]body\.js$/,
    importer: UNDICI,
    contents: `module.exports = { extractBody: ${LEFT_OUT_FUNCTION} };`,
  },
  { module: /^semver$/, importer: OCLIF, contents: 'export const satisfies = () => true;' },
  { module: /^wsl-utils$/, importer: OCLIF, contents: 'export const isWsl = false;' },
  {
    module: /^debug$/,
    importer: OCLIF,
    contents: "module.exports = process.env.DEBUG ? require('debug') : () => () => undefined;",
  },
];

export const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    LEFT_OUT.forEach(({ module, importer: from, contents }, index) => {
      const namespace = `left-out-${index}`;
      onResolve({ filter: module }, ({ path, importer }) => (from.test(importer) ? { path, namespace } : undefined));
      onLoad({ filter: /./, namespace }, () => ({ contents, loader: 'js', resolveDir: OCLIF_FOLDER }));
    });
  },
};

const OCLIF_FOLDER = fileURLToPath(new URL('../node_modules/@oclif/core', import.meta.url));
/** Libraries of oclif that help, a spinner, or a plugin without a manifest needs: files of their own beside the chunks, which are read when they are used. */
const ASIDE = [
  'cli-spinners',
  'debug',
  'ejs',
  'lilconfig',
  'minimatch',
  'string-width',
  'tinyglobby',
  'widest-line',
  'wrap-ansi',
];
const ASIDE_FOLDER = 'aside';

export const keepAside = {
  name: 'keep-aside',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^(${ASIDE.join('|')})$`) }, ({ path, importer, namespace }) =>
      OCLIF.test(importer) || namespace.startsWith('left-out')
        ? { path: `../${ASIDE_FOLDER}/${path}.cjs`, external: true }
        : undefined,
    );
  },
};

/** Throws when a file outside of `chunks`, from where they are found, would load one of them. */
export async function buildAside(bundle, target, outputs) {
  for (const [path, { imports }] of Object.entries(outputs))
    if (imports.some(({ path: to }) => to.startsWith(`../${ASIDE_FOLDER}/`)) && !/[\\/]chunks[\\/][^\\/]+$/.test(path))
      throw new Error(`${path} would look for ${ASIDE_FOLDER} in a wrong place`);
  for (const name of ASIDE)
    await bundle({
      stdin: { contents: `module.exports = require('${name}');`, resolveDir: OCLIF_FOLDER },
      outfile: join(target, ASIDE_FOLDER, `${name}.cjs`),
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20.19',
      legalComments: 'linked',
      logLevel: 'warning',
    });
}

const IMPORT = /^(?:const|var) (\w+) = ((?:__importDefault\(|__importStar\()?require\((["'])[^"'\n]+\3\)\)?);$/gm;
const EXPORT_STAR = /^exports\.(\w+) = (__importStar\(require\("[^"\n]+"\)\));$/gm;

/**
 * The modules of oclif load one another when they are first used, not all of them when the first one is. What tsc makes of an import, `const x_1 = require('y')`
 * and `x_1.name` wherever it is used, becomes a function that is called there. Throws when an import is used in a way that is not known.
 */
export function loadLater(text, file = '') {
  const names = [];
  // What is left out needs no file of its own.
  let later = text.replaceAll("import('wsl-utils')", "require('wsl-utils')").replace(IMPORT, (line, name, value) => {
    // Not made by tsc: the value itself is what is used. Those few are small.
    if (!/^(\w+_\d+|Errors|Parser)$/.test(name)) return line;
    names.push(name);
    return `let ${name}$; function ${name}$later() { return ${name}$ ??= ${value}; }`;
  });
  for (const name of names) {
    const use = `(?<![\\w$.])${name}(?![\\w$])`;
    const known = new RegExp(`${use}(?=\\.)|(?<=__importDefault\\()${use}(?=\\))`, 'g');
    // In brackets, because `new f().C()` would make an f.
    later = later.replace(known, `(${name}$later())`);
    if (new RegExp(use).test(later))
      throw new Error(`${file} uses ${name} in a way that scripts/lighter.mjs does not know`);
  }
  return later.replace(
    EXPORT_STAR,
    (_, name, value) =>
      `let ${name}$; Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${name}$ ??= ${value} });`,
  );
}

export const oclifLoadsLater = {
  name: 'load-later',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/].*\.js$/ }, ({ path }) => ({
      contents: loadLater(readFileSync(path, 'utf8'), path.split(sep).slice(-2).join('/')),
      loader: 'js',
    }));
  },
};
