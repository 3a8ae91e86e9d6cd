/**
 * The form of a capability: one field for each property of its input schema, in the schema's order, required ones marked. What a field holds becomes a
 * value by the same rules as `key=value` on the command line; what does not fit the form (nested objects, arrays) is typed as JSON, or edited as a whole.
 */
import type { JsonSchema, JsonValue } from '../../base/model.js';
import { inputFromPairs } from '../../cli/invoke-input.js';
import type { InvokeField, InvokeForm, Offer } from './state.js';
import { emptyField, fieldOf } from './text-field.js';

/** A schema from another machine may be of any size; the rest is reached through the editor. */
const MAX_FIELDS = 40;

type Property = { readonly [key: string]: unknown };

export function fieldsOf(schema: JsonSchema): readonly InvokeField[] {
  const properties = schema['properties'];
  if (typeof properties !== 'object' || properties === null) return [];
  const required = Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : [];
  return Object.entries(properties as Record<string, Property | boolean | null>)
    .slice(0, MAX_FIELDS)
    .map(([name, property]) => {
      const rules = typeof property === 'object' && property !== null ? property : {};
      const preset = rules['default'];
      return {
        name,
        hint: hintOf(rules),
        required: required.includes(name),
        value: preset === undefined ? emptyField : fieldOf(textOf(preset as JsonValue)),
      };
    });
}

function hintOf(rules: Property): string {
  const choices = rules['enum'];
  if (Array.isArray(choices)) return `one of ${choices.map((choice) => textOf(choice as JsonValue)).join(', ')}`;
  const type = rules['type'];
  const word = Array.isArray(type) ? type.join(' or ') : typeof type === 'string' ? type : 'any';
  const bounds = [rules['minimum'], rules['maximum']].filter((bound) => typeof bound === 'number');
  const range = bounds.length === 2 ? ` ${bounds.join(' to ')}` : '';
  const about = typeof rules['description'] === 'string' ? `, ${rules['description']}` : '';
  return `${word === 'string' ? 'text' : word === 'object' || word === 'array' ? `${word} as JSON` : word}${range}${about}`;
}

const textOf = (value: JsonValue) => (typeof value === 'string' ? value : JSON.stringify(value));

export function formFor(form: InvokeForm, offer: Offer): InvokeForm {
  return { ...form, step: 'fields', offer, fields: fieldsOf(offer.inputSchema), focus: 0, json: null, dispatch: null };
}

/** `key=value` words of the fields that were filled; an empty field that is not required is left out. */
export function pairsOf({ fields }: InvokeForm): readonly string[] {
  return fields
    .filter(({ required, value }) => required || value.text !== '')
    .map(({ name, value }) => `${name}=${value.text}`);
}

/** The input as it would be sent. Throws USAGE_INVALID for JSON that cannot be read. */
export function inputOf(form: InvokeForm): JsonValue {
  if (form.json !== null) return JSON.parse(form.json) as JsonValue;
  return inputFromPairs(pairsOf(form), form.offer?.inputSchema ?? null);
}
