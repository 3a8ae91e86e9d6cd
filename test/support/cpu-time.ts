/** Milliseconds of processor time that this process has used: how long a computation takes, whatever else the machine does. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
