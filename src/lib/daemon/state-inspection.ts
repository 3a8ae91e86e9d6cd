/**
 * Whether the state on disk is what a start would need, looked at from outside while the daemon runs. It only reads, takes no lock and opens nothing for
 * writing, so the writer never notices.
 *
 * The writer goes on meanwhile: a snapshot may take the place of the one that was read, and the journal gets shorter then. What looks damaged is therefore
 * looked at again; damage stays, a moment between two files does not.
 */
import { join } from 'node:path';
import { sleep, type Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { CHAIN_START, corrupt, scanRecords } from '../base/record-chain.js';
import type { StateFs } from '../base/state-fs.js';
import { emptyTables } from '../runtime/state.js';
import {
  foldRecords,
  NODE_RUNTIME_JOURNAL_FILE_NAME,
  NODE_RUNTIME_PREVIOUS_FILE_NAME,
  NODE_RUNTIME_STATE_FILE_NAME,
} from './journal.js';
import { decodeSnapshot } from './snapshot.js';

export interface InspectedState {
  /** In the journal, those that the snapshot contains included. */
  readonly records: number;
  readonly journalBytes: number;
  /** Null before the first snapshot. */
  readonly snapshotAt: number | null;
  /** What is wrong with the snapshot before, which nothing needs but a person who restores. */
  readonly previousProblem: string | null;
}

export interface InspectionDeps {
  readonly fs: StateFs;
  readonly clock: Clock;
  /** Records in the journal that the daemon has confirmed, asked before each look. */
  readonly confirmed: () => Promise<number>;
}

const MAX_LOOKS = 3;
const BETWEEN_LOOKS_MS = 200;
/** Looks into which a snapshot fell; a daemon takes one in minutes. */
const MAX_MOVED = 20;

/** Throws STATE_CORRUPT, STATE_VERSION_UNSUPPORTED, STATE_NOT_OWNED, what the system says, or what `confirmed` throws. */
export async function inspectState(directory: string, deps: InspectionDeps): Promise<InspectedState> {
  let moved = 0;
  for (let looks = 1; ;) {
    const files = await readFiles(directory, deps);
    try {
      return inspected(files);
    } catch (error) {
      if (PalyraError.from(error).reason !== 'STATE_CORRUPT') throw error;
      if (await hasMoved(files, deps)) moved++;
      else looks++;
      if (looks > MAX_LOOKS || moved > MAX_MOVED) throw error;
      await sleep(deps.clock, BETWEEN_LOOKS_MS);
    }
  }
}

interface Files {
  readonly directory: string;
  /** Confirmed before anything was read. */
  readonly least: number;
  readonly snapshot: Buffer | null;
  readonly journal: Buffer | null;
  readonly previous: Buffer | null;
}

async function readFiles(directory: string, { fs, confirmed }: InspectionDeps): Promise<Files> {
  const least = await confirmed();
  const snapshot = await fs.read(join(directory, NODE_RUNTIME_STATE_FILE_NAME));
  const journal = await fs.read(join(directory, NODE_RUNTIME_JOURNAL_FILE_NAME));
  const previous = await fs.read(join(directory, NODE_RUNTIME_PREVIOUS_FILE_NAME));
  return { directory, least, snapshot, journal, previous };
}

/** Whether a snapshot was taken meanwhile: another one is there, or the journal was made shorter after it. */
async function hasMoved({ directory, least, snapshot }: Files, { fs, confirmed }: InspectionDeps): Promise<boolean> {
  const now = await fs.read(join(directory, NODE_RUNTIME_STATE_FILE_NAME));
  const same = now === null || snapshot === null ? now === snapshot : now.equals(snapshot);
  return !same || (await confirmed()) < least;
}

/** Throws STATE_CORRUPT or STATE_VERSION_UNSUPPORTED. */
function inspected(files: Files): InspectedState {
  const { directory, least } = files;
  const snapshotPath = join(directory, NODE_RUNTIME_STATE_FILE_NAME);
  const journalPath = join(directory, NODE_RUNTIME_JOURNAL_FILE_NAME);
  const previousPath = join(directory, NODE_RUNTIME_PREVIOUS_FILE_NAME);
  if (files.snapshot === null && files.previous !== null)
    throw corrupt(snapshotPath, 0, `it is missing, but ${NODE_RUNTIME_PREVIOUS_FILE_NAME} is there`);
  if (files.journal === null) throw corrupt(journalPath, 0, 'it is missing while the daemon runs');
  const snapshot = files.snapshot === null ? null : decodeSnapshot(files.snapshot, snapshotPath);
  // An unfinished write at the end is one that is under way.
  const scan = scanRecords(files.journal, journalPath, snapshot?.link ?? CHAIN_START);
  foldRecords(snapshot?.tables ?? emptyTables(), scan.values, journalPath);
  if (scan.lines < least)
    throw corrupt(journalPath, scan.goodBytes, `it has ${scan.lines} records, but the daemon confirmed ${least}`);
  return {
    records: scan.lines,
    journalBytes: scan.goodBytes,
    snapshotAt: snapshot?.writtenAt ?? null,
    previousProblem: files.previous === null ? null : problemOf(files.previous, previousPath),
  };
}

function problemOf(bytes: Buffer, path: string): string | null {
  try {
    decodeSnapshot(bytes, path);
    return null;
  } catch (error) {
    const { detail, title } = PalyraError.from(error);
    return detail ?? title;
  }
}
