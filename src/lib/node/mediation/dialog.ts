/**
 * Asks through a window on this machine's desktop: zenity or kdialog on Linux, AppleScript on macOS, PowerShell on Windows. Each is started with an argument
 * list; the words of the question are data there, and what a window would read as markup is made harmless. One window at a time; the others wait.
 *
 * Closing the window is no. A program that cannot show one is a failure of the channel, and the next one is asked.
 */
import { spawn } from 'node:child_process';

import { ANSWERS, type Answer, type AskingChannel, type Question } from '../../base/questions.js';
import { findProgram, type Environment } from '../capabilities/opener.js';

interface Dialog {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the program wrote and how it ended; null: it could not ask. */
  readonly read: (output: string, code: number) => Answer | null;
}

type MakeDialog = (question: Question, secondsLeft: number) => Dialog;

const MAX_OUTPUT_BYTES = 4_096;
/** Where a line is broken; nothing is left out. */
const LINE_LENGTH = 96;

/** Null where there is no desktop, or no program that can show a window. */
export function dialogChannel(env: Environment, platform: NodeJS.Platform, now: () => number): AskingChannel | null {
  const make = makeDialog(env, platform);
  if (make === null) return null;
  let last: Promise<unknown> = Promise.resolve();
  return {
    name: 'dialog',
    available: () => true,
    ask: (question, signal) => {
      const turn = last.then(() => {
        signal.throwIfAborted();
        const secondsLeft = Math.max(1, Math.ceil((question.expiresAt - now()) / 1000));
        return show(make(question, secondsLeft), env, signal);
      });
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

function makeDialog(env: Environment, platform: NodeJS.Platform): MakeDialog | null {
  if (platform === 'darwin') return appleScript;
  if (platform === 'win32') return powerShell;
  if (!env['DISPLAY'] && !env['WAYLAND_DISPLAY']) return null;
  const zenityPath = findProgram('zenity', env);
  if (zenityPath !== null) return (question, secondsLeft) => zenity(zenityPath, question, secondsLeft);
  const kdialogPath = findProgram('kdialog', env);
  return kdialogPath === null ? null : (question) => kdialog(kdialogPath, question);
}

function show({ program, args, env: more, read }: Dialog, env: Environment, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...env, ...more },
      stdio: ['ignore', 'pipe', 'ignore'],
      shell: false,
      windowsHide: true,
    });
    const onAbort = () => child.kill('SIGTERM');
    signal.addEventListener('abort', onAbort, { once: true });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < MAX_OUTPUT_BYTES) output += text;
    });
    child.once('error', (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    });
    child.once('close', (code) => {
      signal.removeEventListener('abort', onAbort);
      if (signal.aborted) reject(signal.reason as Error);
      const answer = code === null ? null : read(output.trim(), code);
      if (answer === null) reject(new Error(`${program} ended with ${code ?? 'a signal'} and no answer`));
      else resolve(answer);
    });
  });
}

const title = (question: Question) => `palyra: ${question.labels.once.split(' ')[0]}?`;

/** As plain text; lines are cut where a window would wrap, nothing is left out. */
function words(question: Question): string {
  return [
    `${plain(question.requestedBy)} asks through ${plain(question.daemon)} (${question.capability})`,
    ...(question.emphasis === null ? [] : [`▶ ${plain(question.emphasis)}`]),
    ...wrapped(plain(question.subject)),
    ...question.notes.map((note) => `! ${plain(note)}`),
    `No answer is no.`,
  ].join('\n');
}

/** Without what moves a cursor, hides or reorders text. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
}

function wrapped(text: string): string[] {
  return text.match(new RegExp(`.{1,${LINE_LENGTH}}`, 'gsu')) ?? [''];
}

/** An answer in the words of its button; closing the window is no. */
function byLabel(question: Question, text: string): Answer | null {
  return ANSWERS.find((answer) => question.labels[answer] === text) ?? null;
}

function zenity(program: string, question: Question, secondsLeft: number): Dialog {
  const { labels } = question;
  const rows = ANSWERS.flatMap((answer) => [answer === 'deny' ? 'TRUE' : 'FALSE', labels[answer]]);
  // Pango reads the text as markup.
  const text = words(question).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return {
    program,
    args: [
      '--list',
      '--radiolist',
      `--title=${title(question)}`,
      `--text=${text}`,
      '--column=',
      '--column=Answer',
      '--width=640',
      '--height=320',
      `--timeout=${secondsLeft}`,
      ...rows,
    ],
    read: (output, code) =>
      code === 0 ? (byLabel(question, output) ?? 'deny') : code === 1 || code === 5 ? 'deny' : null,
  };
}

function kdialog(program: string, question: Question): Dialog {
  const items = ANSWERS.flatMap((answer) => [answer, question.labels[answer], answer === 'deny' ? 'on' : 'off']);
  // Qt guesses markup from angle brackets and knows no way to switch it off.
  const text = words(question).replaceAll('<', '‹').replaceAll('>', '›');
  return {
    program,
    args: ['--title', title(question), '--radiolist', text, ...items],
    read: (output, code) =>
      code === 0 ? (ANSWERS.find((answer) => answer === output) ?? 'deny') : code === 1 ? 'deny' : null,
  };
}

const APPLE_SCRIPT = `on run argv
  set answers to {item 3 of argv, item 4 of argv, item 5 of argv, item 6 of argv}
  activate
  set chosen to choose from list answers with title (item 1 of argv) with prompt (item 2 of argv) default items {item 5 of argv}
  if chosen is false then return item 5 of argv
  return item 1 of chosen
end run`;

function appleScript(question: Question): Dialog {
  return {
    program: '/usr/bin/osascript',
    args: ['-e', APPLE_SCRIPT, title(question), words(question), ...ANSWERS.map((answer) => question.labels[answer])],
    read: (output, code) => (code === 0 ? (byLabel(question, output) ?? 'deny') : null),
  };
}

/** The words come through the environment: PowerShell reads arguments as code. */
const POWER_SHELL = `Add-Type -AssemblyName System.Windows.Forms
$form = New-Object System.Windows.Forms.Form -Property @{ Text = $env:PALYRA_TITLE; Width = 640; Height = 300; TopMost = $true; StartPosition = 'CenterScreen' }
$label = New-Object System.Windows.Forms.Label -Property @{ Text = $env:PALYRA_TEXT; Dock = 'Fill'; UseMnemonic = $false }
$row = New-Object System.Windows.Forms.FlowLayoutPanel -Property @{ Dock = 'Bottom'; Height = 40 }
$script:answer = 'deny'
foreach ($name in 'once', 'always', 'deny', 'mute') {
  $button = New-Object System.Windows.Forms.Button -Property @{ Text = [Environment]::GetEnvironmentVariable('PALYRA_' + $name); AutoSize = $true; Tag = $name }
  $button.Add_Click({ $script:answer = $this.Tag; $form.Close() })
  if ($name -eq 'deny') { $form.AcceptButton = $button; $form.CancelButton = $button }
  $row.Controls.Add($button)
}
$form.Controls.Add($label); $form.Controls.Add($row)
[void]$form.ShowDialog()
[Console]::Out.Write($script:answer)`;

function powerShell(question: Question): Dialog {
  const { labels } = question;
  const command = Buffer.from(POWER_SHELL, 'utf16le').toString('base64');
  return {
    program: 'powershell.exe',
    args: ['-NoProfile', '-NonInteractive', '-STA', '-EncodedCommand', command],
    env: {
      PALYRA_TITLE: title(question),
      PALYRA_TEXT: words(question),
      ...Object.fromEntries(ANSWERS.map((answer) => [`PALYRA_${answer}`, labels[answer]])),
    },
    read: (output, code) => (code === 0 ? (ANSWERS.find((answer) => answer === output) ?? 'deny') : null),
  };
}
