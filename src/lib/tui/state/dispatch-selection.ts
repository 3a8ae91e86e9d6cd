/** Which row of the log is meant: the newest while it follows, else the one that was chosen. */
import type { DispatchListing } from '../../base/model.js';
import type { TuiState } from './state.js';

export function currentDispatch({ screen, dispatches }: TuiState): DispatchListing | null {
  if (screen.kind !== 'dispatches') return null;
  const chosen = screen.selected === null ? undefined : dispatches.find(({ id }) => id === screen.selected);
  return chosen ?? dispatches.at(-1) ?? null;
}
