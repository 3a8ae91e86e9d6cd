/** A password comes from a person, unseen, or from stdin; never from the command line, which every user of the machine can read. */
import { PalyraError } from '../base/errors.js';
import { firstLine } from './join-input.js';
import { askSecret } from './prompts.js';

/** What the daemon takes; a longer one is refused here, not cut. */
const MAX_LENGTH = 256;

export async function readPassword(o: {
  readonly fromStdin: boolean;
  readonly canAsk: boolean;
  readonly question: string;
  /** A new one is typed twice. */
  readonly isNew?: boolean;
}): Promise<string> {
  if (o.fromStdin) return checked(await firstLine(process.stdin));
  if (!o.canAsk) throw new PalyraError('USAGE_INVALID', { detail: 'nobody can be asked here: give --password-stdin' });
  const password = checked(await askSecret(`? ${o.question}: `));
  if (o.isNew === true && (await askSecret('? Once more: ')) !== password) {
    throw new PalyraError('USAGE_INVALID', { detail: 'the two do not agree' });
  }
  return password;
}

function checked(password: string): string {
  if (password === '') throw new PalyraError('USAGE_INVALID', { detail: 'the password is empty' });
  if (password.length > MAX_LENGTH) throw new PalyraError('USAGE_INVALID', { detail: 'the password is too long' });
  return password;
}
