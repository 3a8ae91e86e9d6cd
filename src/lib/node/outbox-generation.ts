/**
 * A journal that is being made beside the current one. Until it takes over, a record it cannot hold only ends the rewrite: the current one has it. From
 * then on such a record is lost, and whoever wrote it is told.
 */
import { PalyraError } from '../base/errors.js';
import type { RecordLog } from '../base/record-log.js';
import type { OutboxRecord } from './outbox-table.js';

export class NextGeneration {
  #failure: unknown = null;
  #required = false;

  constructor(readonly journal: RecordLog) {}

  async mirror(record: OutboxRecord): Promise<void> {
    try {
      await this.journal.append(record);
    } catch (error) {
      if (this.#required) throw error;
      this.#failure = error;
    }
  }

  /** Throws when it lacks a record. */
  takeOver(): void {
    if (this.#failure !== null) throw PalyraError.from(this.#failure);
    this.#required = true;
  }
}
