/** Changes for the tests of state stores: deterministic, small, using every verb, each list valid only after the ones before it. */
import { applyChanges, emptyTables, tablesToJson } from '../../src/lib/runtime/state.js';
import type { Change, Tables } from '../../src/lib/runtime/state.js';

/** The `index`-th list of changes, from 0. Number 3n makes two rows, 3n+1 changes one of them, 3n+2 drops the other. */
export function changesAt(index: number): Change[] {
  const group = index - (index % 3);
  const [a, b] = [`dsp_${group}_a`, `dsp_${group}_b`];
  switch (index % 3) {
    case 0:
      return [
        { op: 'put', table: 'tombstones', key: a, row: { id: a, at: index } },
        { op: 'put', table: 'tombstones', key: b, row: { id: b, at: index } },
      ];
    case 1:
      return [{ op: 'set', table: 'tombstones', key: a, row: { at: -index } }];
    default:
      return [{ op: 'drop', table: 'tombstones', key: b }];
  }
}

export function fold(lists: Iterable<readonly Change[]>): Tables {
  const tables = emptyTables();
  for (const changes of lists) applyChanges(tables, changes);
  return tables;
}

/** One string per state, for comparing; rows in insertion order, which folding reproduces. */
export function fingerprint(tables: Tables): string {
  return JSON.stringify(tablesToJson(tables));
}

/** `fingerprint` after 0, 1, … `count` lists. */
export function prefixFingerprints(count: number): string[] {
  const tables = emptyTables();
  const prints = [fingerprint(tables)];
  for (let index = 0; index < count; index++) {
    applyChanges(tables, changesAt(index));
    prints.push(fingerprint(tables));
  }
  return prints;
}
