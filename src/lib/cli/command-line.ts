/** The words of the command line before oclif sees them. Loads nothing: what is decided here decides what has to be loaded. */

/** Global flags that take no value: they may stand before the command too. */
export const LEADING_FLAGS: readonly string[] = [
  '--json',
  '--plain',
  '--quiet',
  '-q',
  '--no-color',
  '--no-input',
  '--no-plugins',
  '--verbose',
];

/** Global flags that take a value as the next word. */
export const LEADING_VALUE_FLAGS: readonly string[] = ['--context', '-c', '--daemon', '--timeout'];

/** `palyra --json nodes list` means what it says: oclif wants the command first. */
export function moveLeadingFlags(argv: readonly string[]): string[] {
  const first = argv.findIndex((word, index) => {
    const before = argv[index - 1];
    if (before !== undefined && LEADING_VALUE_FLAGS.includes(before)) return false;
    const name = word.startsWith('--') ? (word.split('=')[0] ?? word) : word;
    return !LEADING_FLAGS.includes(word) && !LEADING_VALUE_FLAGS.includes(name);
  });
  if (first <= 0) return [...argv];
  const rest = argv.slice(first);
  const end = rest.indexOf('--');
  const at = end === -1 ? rest.length : end;
  return [...rest.slice(0, at), ...argv.slice(0, first), ...rest.slice(at)];
}

/** `--version` or `-v` in the place of a command. `-v` behind a command is `--verbose`. */
export function asksForVersion(words: readonly string[]): boolean {
  return words[0] === '--version' || words[0] === '-v';
}

/** The line that oclif would print. */
export function versionLine(manifest: { readonly name: string; readonly version: string }): string {
  const arch = process.arch === 'ia32' ? 'x86' : process.arch;
  return `${manifest.name}/${manifest.version} ${process.platform}-${arch} node-${process.version}`;
}
