/** Flags that select nodes of a list. */
import { Flags } from '@oclif/core';
import { SORT_KEYS } from './node-selection.js';

export const selectionFlags = {
  status: Flags.string({ helpValue: '<online,offline,…>', description: 'Only nodes in one of these states' }),
  label: Flags.string({ char: 'l', helpValue: '<k=v,k!=v>', description: 'Only nodes with these labels' }),
  capability: Flags.string({ helpValue: '<name>', description: 'Only nodes that can do this' }),
  sort: Flags.option({ options: SORT_KEYS, default: 'name' as const })({ description: 'Order of the list' }),
};
