import { spawn } from 'node:child_process';
import { rm, writeFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PalyraError } from '../../lib/base/errors.js';
import { BaseCommand } from '../../lib/cli/base-command.js';
import { readVariable } from '../../lib/cli/environment.js';
import { loadSettings, settingsFiles } from '../../lib/cli/settings.js';
import { readText, writeSettings } from '../../lib/cli/settings-file.js';

const EMPTY = '# Settings of palyra. List them all: palyra config list\n';

export default class ConfigEdit extends BaseCommand<typeof ConfigEdit> {
  static override summary = 'Edit your config.toml; what is not valid does not take its place';
  static override description = 'With $VISUAL or $EDITOR, on a copy. A copy that is not valid is kept beside it.';
  static override examples = ['<%= config.bin %> config edit', 'EDITOR="code --wait" <%= config.bin %> config edit'];

  async run() {
    const file = settingsFiles(this.directories).user;
    const copy = `${file}.edit`;
    const before = await readText(file);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(copy, before ?? EMPTY, { mode: 0o600 });
    await openEditor(copy);
    const text = (await readText(copy)) ?? '';
    try {
      await loadSettings(this.directories, { ...process.env, PALYRA_CONFIG: copy });
    } catch (error) {
      const { detail } = PalyraError.from(error);
      throw new PalyraError('CONFIG_INVALID', {
        ...(detail === null ? {} : { detail }),
        hint: `Nothing was changed; your edit is kept in ${copy}`,
      });
    }
    const changed = text !== (before ?? EMPTY);
    if (changed) await writeSettings(file, text);
    await rm(copy, { force: true });
    await this.settings();
    this.output.done(changed ? `Saved ${file}` : `${file} is as it was`);
    return { schema: 'palyra.config.edit/v1', action: 'edit', changed, file };
  }
}

/** Through the shell, as every program that honours these variables does: they may hold arguments. */
function openEditor(file: string): Promise<void> {
  const editor = readVariable('VISUAL') ?? readVariable('EDITOR') ?? (process.platform === 'win32' ? 'notepad' : 'vi');
  const quoted = process.platform === 'win32' ? `"${file}"` : `'${file.replaceAll("'", "'\\''")}'`;
  return new Promise((resolve, reject) => {
    const child = spawn(`${editor} ${quoted}`, {
      shell: true,
      stdio: ['inherit', process.stdout.isTTY ? 'inherit' : 2, 'inherit'],
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new PalyraError('CANCELLED', { detail: `the editor ended with ${code ?? 'a signal'}` }));
    });
  });
}
