// npm run campaign: the long forms of tests that `npm test` runs short. Minutes, not seconds; asserts the same things.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './prepare.mjs';

const RUNS = [
  { env: { PALYRA_HISTORIES: '200000' }, file: 'test/property/delivery.property.test.ts' },
  { env: { PALYRA_RESTARTS: '20' }, file: 'test/e2e/watch.test.ts' },
  { env: { PALYRA_KILLS: '10' }, file: 'test/fault/daemon-kill.test.ts' },
  { env: { PALYRA_KILLS: '10' }, file: 'test/fault/audit-kill.test.ts' },
  { env: { PALYRA_LOGINS: '10000' }, file: 'test/contract/login-attack.test.ts' },
  { env: { PALYRA_QUIC_ECHOES: '1000', PALYRA_QUIC_OUTAGE_MS: '20000' }, file: 'test/e2e/quic.test.ts' },
  { env: { PALYRA_QUIC_ATTACK: '1' }, file: 'test/fault/quic-attack.test.ts' },
  { env: { PALYRA_CERTIFICATE_SECONDS: '600' }, file: 'test/e2e/certificate-campaign.test.ts' },
  { env: { PALYRA_CHAOS: '1', PALYRA_CHAOS_ROUNDS: '3' }, file: 'test/e2e/chaos-network.test.ts' },
  { env: { PALYRA_CHAOS: '1', PALYRA_CHAOS_ROUNDS: '3' }, file: 'test/e2e/chaos-link-loss.test.ts' },
  { env: { PALYRA_CHAOS: '1', PALYRA_CHAOS_ROUNDS: '2' }, file: 'test/e2e/chaos-pairing.test.ts' },
  { env: { PALYRA_CHAOS: '1' }, file: 'test/e2e/chaos-renewal.test.ts' },
  { env: { PALYRA_CHAOS: '1' }, file: 'test/e2e/chaos-node-life.test.ts' },
];

const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
// npm run chaos: only the networks that fail, and the lives of nodes.
const only = process.argv[2] ?? '';
for (const { env, file } of RUNS.filter((run) => run.file.includes(only))) {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  console.log(`\n== ${settings.join(' ')} ${file}`);
  const { status } = spawnSync(process.execPath, [mocha, file], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (status !== 0) process.exitCode = 1;
}
