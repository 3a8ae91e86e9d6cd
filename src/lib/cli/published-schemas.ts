/** The JSON Schemas that are shipped in docs/schemas, by the name of the document they describe. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { closest } from './text.js';

const SUFFIX = /\.v1\.json$/;

/** Names as in `palyra.NAME/v1`, sorted. `root` is the directory of package.json. */
export async function schemaNames(root: string): Promise<string[]> {
  const files = await readdir(folderOf(root));
  return files
    .filter((file) => SUFFIX.test(file))
    .map((file) => file.replace(SUFFIX, ''))
    .sort();
}

/** Takes `nodes.list` and `palyra.nodes.list/v1`. Only what is in the list is opened. Throws SCHEMA_NOT_FOUND. */
export async function readSchema(
  root: string,
  wanted: string,
): Promise<{ name: string; jsonSchema: Record<string, unknown> }> {
  const names = await schemaNames(root);
  const name = wanted.replace(/^palyra\./, '').replace(/\/v1$/, '');
  if (!names.includes(name)) {
    const near = closest(name, names);
    throw new PalyraError('SCHEMA_NOT_FOUND', {
      detail: `"${wanted}"`,
      ...(near === null ? {} : { hint: `Did you mean: palyra schema ${near}` }),
    });
  }
  const text = await readFile(join(folderOf(root), `${name}.v1.json`), 'utf8');
  return { name, jsonSchema: JSON.parse(text) as Record<string, unknown> };
}

function folderOf(root: string): string {
  return join(root, 'docs', 'schemas');
}
