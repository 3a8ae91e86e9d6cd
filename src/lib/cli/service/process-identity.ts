/**
 * Tells a process from a later one with the same number: by when it was started. On Linux that is field 22 of /proc/PID/stat together with the boot
 * (proc(5)), elsewhere what `ps` says. A process that ended and was not waited for is gone.
 */
import { readFile } from 'node:fs/promises';
import type { RunProgram } from './programs.js';

/** An opaque word that no other process ever has, or null when no such process runs. */
export async function identityOfProcess(
  pid: number,
  run: RunProgram,
  platform: NodeJS.Platform = process.platform,
): Promise<string | null> {
  if (!Number.isSafeInteger(pid) || pid < 1) return null;
  return platform === 'linux' ? fromProc(pid) : fromPs(pid, run);
}

async function fromProc(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat === null) return null;
  // The name in field 2 may hold spaces and parentheses, so it counts from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields[19];
  if (ticks === undefined || /^[ZX]/.test(fields[0] ?? '')) return null;
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1').catch(() => '');
  return `${boot.trim()}:${ticks}`;
}

async function fromPs(pid: number, run: RunProgram): Promise<string | null> {
  const { code, stdout } = await run('ps', ['-o', 'stat=,lstart=', '-p', `${pid}`]);
  const [state = '', ...started] = stdout.trim().split(/\s+/);
  return code !== 0 || state.startsWith('Z') || started.length === 0 ? null : started.join(' ');
}
