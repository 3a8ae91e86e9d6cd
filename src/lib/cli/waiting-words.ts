/** How to switch on what a plugin brought to this machine after it was paired. */

/** `palyra node capabilities enable acme.count`, with how to see all when there are more. */
export function enableCommand(names: readonly string[]): string {
  const [first = ''] = names;
  return `palyra node capabilities enable ${first}${names.length > 1 ? '   (all of them: palyra node capabilities list)' : ''}`;
}
