/** Questions to a person. Asked only when stdin and stderr are terminals; a script is told which flag answers instead. */
import { PalyraError } from '../base/errors.js';
import { readSwitch, type Environment } from './environment.js';

export interface PromptContext {
  readonly json: boolean;
  readonly noInput: boolean;
}

export function canAsk(context: PromptContext, env: Environment = process.env): boolean {
  if (context.json || context.noInput || readSwitch('CI', env) || readSwitch('PALYRA_NO_INPUT', env)) return false;
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** One line of input, trimmed. Ctrl-C and Ctrl-D reject with CANCELLED. */
export async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const gone = new AbortController();
  terminal.once('SIGINT', () => gone.abort());
  terminal.once('close', () => gone.abort());
  try {
    return (await terminal.question(question, { signal: gone.signal })).trim();
  } catch (error) {
    throw new PalyraError('CANCELLED', { cause: error });
  } finally {
    terminal.close();
  }
}

/** One line that is not shown while it is typed. Rejects with CANCELLED as `ask` does. */
export async function askSecret(question: string): Promise<string> {
  const [{ createInterface }, { Writable }] = await Promise.all([
    import('node:readline/promises'),
    import('node:stream'),
  ]);
  process.stderr.write(question);
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silence, terminal: true });
  const gone = new AbortController();
  terminal.once('SIGINT', () => gone.abort());
  terminal.once('close', () => gone.abort());
  try {
    return await terminal.question('', { signal: gone.signal });
  } catch (error) {
    throw new PalyraError('CANCELLED', { cause: error });
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

/** For what cannot be undone: the name is typed, not a key pressed. Throws CANCELLED for anything else. */
export async function confirmByName(question: string, name: string): Promise<void> {
  const typed = await ask(`${question}\n? Type "${name}" to go on: `);
  if (typed !== name) throw new PalyraError('CANCELLED', { detail: 'the name did not match' });
}
