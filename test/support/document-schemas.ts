/** Validates what `--json` printed against docs/schemas. Closed here, open in the published files: a field that is not documented is a failure. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ajv, AnySchema, Options, ValidateFunction } from 'ajv';

const folder = fileURLToPath(new URL('../../docs/schemas/', import.meta.url));
const Ajv2020 = createRequire(import.meta.url)('ajv/dist/2020.js') as { default: new (options: Options) => Ajv };

const validators = new Map<string, ValidateFunction>();

export function assertDocument(document: { schema?: unknown }): void {
  const validate = validatorOf(String(document.schema));
  assert.ok(validate(document), `${String(document.schema)}: ${JSON.stringify(validate.errors)}`);
}

/** A line of a command that goes on; such lines do not name their schema. */
export function assertLine(id: string, line: unknown): void {
  const validate = validatorOf(id);
  assert.ok(validate(line), `${id}: ${JSON.stringify(validate.errors)}\n${JSON.stringify(line)}`);
}

function validatorOf(id: string): ValidateFunction {
  if (validators.size === 0) {
    const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true });
    for (const file of readdirSync(folder)) {
      const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { title: string };
      validators.set(schema.title, ajv.compile(closed(schema) as AnySchema));
    }
  }
  const validate = validators.get(id);
  assert.ok(validate !== undefined, `there is no schema for ${id}`);
  return validate;
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in copy && !('additionalProperties' in copy) ? { ...copy, additionalProperties: false } : copy;
}
