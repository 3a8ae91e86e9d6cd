/** The datagram socket of a service manager, really bound, as far as messages go. It takes python3, because Node has no such sockets. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { eventually } from './eventually.js';

const PROGRAM = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print("[]", flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode().strip().split("\\n")), flush=True)
`;

export class NotifyReceiver {
  readonly path: string;
  /** Message by message; what a sender waits for (BARRIER) is left out. */
  readonly heard: (readonly string[])[] = [];
  readonly #child: ChildProcess;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  /** Null, with the reason told, where it or the program that sends is not there. */
  static async start(path: string): Promise<NotifyReceiver | null> {
    if (['python3', 'systemd-notify'].some((tool) => spawnSync(tool, ['--version']).status !== 0)) {
      process.stderr.write(
        '    it takes python3 and systemd-notify: what a service manager hears is not tested here\n',
      );
      return null;
    }
    const child = spawn('python3', ['-c', PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const receiver = new NotifyReceiver(path, child);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const fields = (JSON.parse(line) as string[]).filter((field) => field !== 'BARRIER=1');
      if (fields.length > 0) receiver.heard.push(fields);
    });
    await once(lines, 'line');
    return receiver;
  }

  /** The first message with a field that matches, from the given one on. */
  message(pattern: RegExp, from = 0): Promise<readonly string[]> {
    const find = () => this.heard.slice(from).find((fields) => fields.some((field) => pattern.test(field)));
    return eventually(find, `a message with ${String(pattern)}`, 20_000);
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
