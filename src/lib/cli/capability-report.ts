/** What the fleet can do: one line an offer in a table, everything about one name for people. */
import type { CapabilityOffer, CapabilitySummary } from '../base/model.js';
import { spent } from './durations.js';
import type { Column } from './table.js';
import { printable, printableJson } from './text.js';

const NOTHING = '—';
const LABEL_WIDTH = 12;

export const capabilityColumns: readonly Column<CapabilitySummary>[] = [
  { header: 'NAME', value: (offer) => offer.name },
  { header: 'VERSION', value: (offer) => offer.version },
  { header: 'EFFECTS', value: (offer) => offer.sideEffects },
  { header: 'ASKS', value: (offer) => (offer.mediation === 'ask' ? 'yes' : 'no') },
  { header: 'REPEATABLE', value: (offer) => (offer.idempotent ? 'yes' : 'no') },
  { header: 'NODES', value: (offer) => namesOf(offer.nodes) || NOTHING },
  { header: 'SUMMARY', value: (offer) => offer.summary },
];

/** Stable columns for scripts: raw values, `-` for nothing. */
export const plainCapabilityColumns: readonly Column<CapabilitySummary>[] = [
  { header: 'name', value: (offer) => offer.name },
  { header: 'version', value: (offer) => offer.version },
  { header: 'sideEffects', value: (offer) => offer.sideEffects },
  { header: 'mediation', value: (offer) => offer.mediation },
  { header: 'idempotent', value: (offer) => String(offer.idempotent) },
  { header: 'granted', value: (offer) => names(offer, true) },
  { header: 'notGranted', value: (offer) => names(offer, false) },
];

export function capabilityReport(offer: CapabilityOffer): string[] {
  const lines = [`${offer.name} ${offer.version} · ${offer.summary}`];
  const add = (label: string, text: string) => lines.push(`  ${label.padEnd(LABEL_WIDTH)}${text}`);
  add('effects', offer.sideEffects === 'none' ? 'none: it only reads' : offer.sideEffects);
  add('asks', offer.mediation === 'ask' ? 'a person at the machine, every time' : 'nobody');
  add('repeatable', offer.idempotent ? 'yes: it may be run again without harm' : 'no: it is started at most once');
  add('time limit', spent(offer.executionTimeoutMs));
  add('nodes', namesOf(offer.nodes) || NOTHING);
  return [
    ...lines.map(printable),
    ...indented('input', printableJson(offer.inputSchema)),
    ...indented('output', printableJson(offer.outputSchema)),
  ];
}

function namesOf(nodes: CapabilitySummary['nodes']): string {
  return nodes.map(({ name, granted }) => (granted ? name : `${name} (not granted)`)).join(', ');
}

function names(offer: CapabilitySummary, granted: boolean): string {
  const chosen = offer.nodes.filter((node) => node.granted === granted);
  return chosen.map(({ name }) => name).join(',') || '-';
}

function indented(label: string, json: string): string[] {
  return json.split('\n').map((line, index) => `  ${(index === 0 ? label : '').padEnd(LABEL_WIDTH)}${line}`);
}
