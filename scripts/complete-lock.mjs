// node scripts/complete-lock.mjs tools/proto/package-lock.json
// Some registry mirrors lack the builds of a package for other platforms; npm then leaves them out of the lock file, and `npm ci` refuses that lock file
// everywhere. This adds an entry for each platform package that is named as an optional dependency with an exact version and is missing. Run it after
// `npm install` in such a place; it changes nothing when nothing is missing.
import { readFileSync, writeFileSync } from 'node:fs';

const PLATFORMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const CPUS = {
  x64: 'x64',
  arm64: 'arm64',
  ia32: 'ia32',
  armv7: 'arm',
  arm: 'arm',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
};

for (const file of process.argv.slice(2)) {
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const added = [];
  for (const [place, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!/^\d+\.\d+\.\d+/.test(version) || isResolved(lock.packages, place, name)) continue;
      const words = name.split(/[/-]/);
      const os = words.find((word) => PLATFORMS.includes(word));
      const cpu = words.map((word) => CPUS[word]).find((found) => found !== undefined);
      lock.packages[`node_modules/${name}`] = {
        version,
        ...(cpu === undefined ? {} : { cpu: [cpu] }),
        ...(entry.dev === true ? { dev: true } : {}),
        optional: true,
        ...(os === undefined ? {} : { os: [os] }),
      };
      added.push(name);
    }
  }
  if (added.length === 0) continue;
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`${file}: added ${added.join(', ')}`);
}

/** Whether a package at `place` would find `name`, as Node looks for it: in its own node_modules, then in those above. */
function isResolved(packages, place, name) {
  for (let at = place; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
  }
}
