/**
 * Asks in the terminal that `node run` runs in, one question at a time. Enter alone is no, so is closing the input, so is waiting too long. What was typed
 * before a question could be read does not answer it: for its first half second the keyboard is not listened to.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Answer, AskingChannel, Question } from '../base/questions.js';
import { questionLines, ANSWER_KEYS, answerOfWord } from './question-report.js';

/** Nobody reads and decides faster. */
const DEAF_MS = 500;
const TICK_MS = 1_000;

export interface TerminalStreams {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

/** Null when there is no terminal to ask in. */
export function terminalChannel({ input, output }: TerminalStreams, canAsk: boolean): AskingChannel | null {
  if (!canAsk || !input.isTTY || !output.isTTY) return null;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;
  input.once('end', () => (closed = true));
  return {
    name: 'terminal',
    available: () => !closed && isForeground(),
    ask: (question, signal) => {
      const turn = last.then(() => askOne({ input, output }, question, signal));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

function askOne({ input, output }: TerminalStreams, question: Question, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const shownAt = performance.now();
    for (const line of questionLines(question, bold)) output.write(`${line}\n`);
    const terminal = createInterface({ input, output, terminal: true, historySize: 0 });
    const prompt = () => {
      const left = Math.max(0, Math.ceil((question.expiresAt - Date.now()) / 1000));
      terminal.setPrompt(`  [${ANSWER_KEYS}], no in ${left} s: `);
      terminal.prompt(true);
    };
    const tick = setInterval(prompt, TICK_MS);
    let done = false;
    const finish = (settle: () => void) => {
      if (done) return;
      done = true;
      clearInterval(tick);
      signal.removeEventListener('abort', onAbort);
      terminal.close();
      input.pause();
      settle();
    };
    const onAbort = () =>
      finish(() => {
        output.write('\n  No longer asked: it was answered elsewhere, cancelled, or took too long.\n');
        reject(signal.reason as Error);
      });
    signal.addEventListener('abort', onAbort, { once: true });
    // In this mode the terminal gives Ctrl-C to us; it is meant for the node.
    terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    terminal.on('close', () => finish(() => resolve('deny')));
    terminal.on('line', (line) => {
      if (performance.now() - shownAt < DEAF_MS) return prompt();
      const answer = answerOfWord(line);
      if (answer === null) return prompt();
      finish(() => {
        output.write(`  ${question.labels[answer]}.\n`);
        resolve(answer);
      });
    });
    prompt();
  });
}

function bold(text: string): string {
  return `\u001b[1;7m${text}\u001b[0m`;
}

/** A process in the background that reads its terminal is stopped by it. Told by /proc where there is one (proc(5): pgrp, tpgid). */
function isForeground(): boolean {
  if (process.platform !== 'linux') return true;
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[2] === fields[5];
  } catch {
    return true;
  }
}
