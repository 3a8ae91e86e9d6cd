// Writes docs/schemas: one JSON Schema for each document that `--json` prints. With --check: fails when the committed ones differ.
// The nouns come from the schemas of the HTTP API; what a command adds around them is said here, once.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import * as z from 'zod';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'docs', 'schemas');
const wire = await tsImport('../src/lib/wire/http/schemas.ts', import.meta.url);

const events = await tsImport('../src/lib/wire/http/event-schemas.ts', import.meta.url);

const { nodeView, nodeSummary, capabilityView, dispatchView, inviteView, newInviteView, daemonStatus } = wire;
const { dispatchListing, capabilityOffer, capabilitySummary } = wire;
const { approvalView, approvedAnswer, rejectedAnswer } = wire;
const { auditEntry, auditReport } = wire;
const { pruneCandidate, rotation } = await tsImport('../src/lib/wire/http/fleet-schemas.ts', import.meta.url);
const access = await tsImport('../src/lib/wire/http/session-schemas.ts', import.meta.url);
const { operatorView, sessionView, tokenView, whoAmI } = access;
const who = whoAmI.omit({ csrfToken: true }).shape;
const contextView = z.object({
  name: z.string(),
  url: z.string().nullable().describe('Null: the daemon of this machine.'),
  operator: z.string().nullable(),
  role: z.string().nullable(),
  identity: z.string().nullable().describe('What people compare, as palyra daemon status shows it.'),
  current: z.boolean(),
  loggedIn: z.boolean(),
});
const contextSource = z.enum([
  '--daemon',
  '--context',
  'PALYRA_DAEMON',
  'PALYRA_CONTEXT',
  'current context',
  'default',
]);
const timestamp = z.iso.datetime();
const linkTransport = z.enum(['grpc', 'quic', 'poll']);
const listen = daemonStatus.shape.listen;
const changed = z.boolean().describe('False when it was already so.');
const certificate = z.object({ fingerprint: z.string(), notAfter: timestamp, daysLeft: z.int() });
const { pluginFailure } = wire;
const { absenceView } = await tsImport('../src/lib/wire/http/node-schemas.ts', import.meta.url);
const { vitals } = await tsImport('../src/lib/wire/http/fleet-schemas.ts', import.meta.url);
const plugins = z.object({ loaded: z.int(), failed: z.array(pluginFailure) });
const fleetPlugins = z.object({
  loaded: z.int().describe('Installed on this machine and without a known problem.'),
  failed: z
    .array(pluginFailure.extend({ node: z.string() }))
    .describe('Of the nodes, as they said when they registered.'),
});
const pluginView = z.object({
  name: z.string(),
  version: z.string(),
  description: z.string(),
  source: z.enum(['npm', 'link']),
  spec: z.string().describe('What was asked for.'),
  root: z.string(),
  installedAt: timestamp,
  state: z.enum(['ok', 'failed']),
  problem: z.string().nullable().describe('As it was when it was installed.'),
  capabilities: z.array(z.string()),
  commands: z.array(z.string()),
  ignoredHooks: z.array(z.string()).describe('Hooks of oclif that palyra does not run for plugins.'),
});
const pluginAdded = {
  changed,
  plugin: pluginView,
  previous: z.string().nullable().describe('The version before.'),
  off: z.array(z.string()).describe('Its capabilities that are off until somebody switches them on at this machine.'),
};
const logRecord = z.looseObject({ time: timestamp, level: z.string(), scope: z.string(), msg: z.string() });
const identity = z.object({ id: z.string(), name: z.string() });
const service = z
  .object({
    manager: z.enum(['systemd-user', 'systemd-system', 'launchd', 'task-scheduler', 'detached']),
    enabled: z.boolean().describe('Starts by itself.'),
    running: z.boolean(),
    survivesLogout: z.boolean().nullable().describe('Null when nobody can tell.'),
    unit: z.string().nullable(),
    pidFile: z.string().nullable().describe('Of a detached process, where there is no service manager.'),
    lastStart: z.object({ at: timestamp, because: z.enum(['reboot', 'failure', 'request']) }).nullable(),
  })
  .nullable()
  .describe('Null when it is not installed as a service.');
const serviceVerb = { changed, state: z.enum(['running', 'stopped']), pid: z.int().nullable(), service };
const installed = {
  action: z.literal('install'),
  changed,
  state: z.enum(['running', 'stopped', 'printed']),
  pid: z.int().nullable(),
  service: service.unwrap().extend({ wrapper: z.string() }).nullable(),
  unit: z
    .object({ path: z.string(), text: z.string(), commands: z.array(z.string()) })
    .optional()
    .describe('Of --system: what to install with sudo.'),
};
const uninstalled = { action: z.literal('uninstall'), changed, removed: z.array(z.string()).describe('Files.') };
const command = z.object({
  command: z.string().describe('As it is typed, without palyra.'),
  summary: z.string(),
  aliases: z.array(z.string()),
  plugin: z.string(),
  args: z.array(z.object({ name: z.string(), required: z.boolean(), description: z.string() })),
  flags: z.array(
    z.object({
      name: z.string(),
      char: z.string().nullable(),
      takesValue: z.boolean(),
      multiple: z.boolean(),
      required: z.boolean(),
      options: z.array(z.string()).nullable(),
      description: z.string(),
    }),
  ),
});

const errorFields = z.object({
  code: z.string().describe('Stable; every code is listed in docs/errors.md.'),
  exitCode: z.int(),
  message: z.string(),
  hint: z.string(),
  retrySafe: z.boolean(),
  details: z.record(z.string(), z.unknown()),
  docs: z.string(),
});

const settingValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]);
const setting = z.object({
  key: z.string(),
  value: settingValue.nullable().describe('Null when it is decided elsewhere.'),
  origin: z.enum(['env', 'user', 'system', 'default']),
  file: z.string().nullable(),
  line: z.int().nullable(),
});

const localCapability = z.object({
  name: z.string(),
  summary: z.string(),
  enabled: z.boolean(),
  offByDefault: z.boolean().describe('Off until somebody switches it on at this machine.'),
  plugin: z.string().nullable().describe("Whose it is; null: palyra's own."),
  waiting: z.boolean().describe('Of a plugin, and nobody has switched it on or off at this machine yet.'),
  approval: z.enum(['none', 'ask']),
  sideEffects: z.enum(['none', 'local', 'external']),
  allow: z.array(z.object({ pattern: z.string(), by: z.enum(['answer', 'command', 'config']) })),
});
const question = z.object({
  id: z.string().describe('Of the dispatch.'),
  capability: z.string(),
  summary: z.string(),
  requestedBy: z.string(),
  daemon: z.string(),
  subject: z.string().describe('All of what would be acted on, such as the whole URL.'),
  emphasis: z.string().nullable().describe('The part of it that decides whether to trust it, such as the host.'),
  notes: z.array(z.string()),
  pattern: z.string().describe('What "always" would remember.'),
  askedAt: timestamp,
  expiresAt: timestamp,
});

const check = z.object({
  id: z.string().describe('Such as service.lingering; explained in docs/doctor.md.'),
  status: z.enum(['pass', 'warn', 'fail', 'skip']),
  detail: z.string(),
  fix: z.string().nullable(),
  docs: z.string(),
});

const DOCUMENTS = {
  error: { error: errorFields },
  'daemon.start': {
    action: z.literal('start'),
    changed,
    state: z.literal('running'),
    pid: z.int(),
    unit: z.string().nullable(),
    urls: z.record(z.string(), z.string()),
    listen,
    node: z
      .object({ id: z.string(), name: z.string(), changed })
      .nullable()
      .describe('This machine as a node of it, with --with-node.'),
  },
  'daemon.rotate-ca': {
    action: z.enum(['rotate-ca', 'status']),
    changed: changed.describe('It was begun, or forced, by this command.'),
    rotation,
  },
  'daemon.expose': { action: z.literal('expose'), changed, listen },
  'daemon.run': { action: z.literal('run'), state: z.literal('stopped'), reason: z.string(), pid: z.int(), listen },
  'daemon.stop': {
    action: z.literal('stop'),
    changed,
    state: z.enum(['stopped', 'stopping']),
    pid: z.int().nullable(),
  },
  'daemon.restart': { action: z.literal('restart'), changed, state: z.literal('running'), pid: z.int(), listen },
  // Either all of it, or `running: false` alone.
  'daemon.status': {
    ...daemonStatus.partial().shape,
    running: z.boolean(),
    plugins: fleetPlugins.optional(),
    service: service.optional(),
    checks: z.array(check).optional().describe('With --deep; the exit code is 1 when one failed.'),
    vitals: vitals
      .nullable()
      .optional()
      .describe(
        'With --deep: how many milliseconds late the event loop of the daemon was, and bytes; null when it could not be measured.',
      ),
  },
  'daemon.logs': { entries: z.array(logRecord) },
  'config.list': {
    values: z.array(setting),
    unknown: z
      .array(z.object({ key: z.string(), file: z.string(), line: z.int().nullable(), near: z.string().nullable() }))
      .describe('Keys of the files that this version does not know; they are kept.'),
  },
  'config.get': { setting },
  'config.set': { action: z.literal('set'), changed, key: z.string(), value: settingValue, file: z.string() },
  'config.unset': {
    action: z.literal('unset'),
    changed,
    key: z.string(),
    file: z.string(),
    setting: setting.nullable().describe('What holds now; null for a key that this version does not know.'),
  },
  'config.path': { paths: z.record(z.string(), z.string()) },
  'config.edit': { action: z.literal('edit'), changed, file: z.string() },
  'nodes.list': {
    nodes: z.array(nodeView),
    asking: z
      .array(
        z.object({
          id: z.string(),
          name: z.string(),
          hostname: z.string(),
          presence: z.literal('asking'),
          presenceReason: z.literal('pin').nullable(),
          presenceSince: timestamp,
          platform: z.string(),
          arch: z.string(),
          version: z.string(),
          address: z.string(),
        }),
      )
      .describe('Machines that ask to join; they are no nodes yet.'),
    summary: nodeSummary,
  },
  'nodes.show': {
    node: nodeView.extend({
      capabilityDetails: z.array(capabilityView),
      recentDispatches: z.array(dispatchView),
      absences: z.array(absenceView),
      pluginFailures: z.array(pluginFailure),
    }),
  },
  'nodes.remove': { action: z.literal('remove'), changed, node: nodeView },
  'nodes.revoke': { action: z.literal('revoke'), changed, node: nodeView },
  'nodes.restore': { action: z.literal('restore'), changed, node: nodeView },
  'nodes.prune': { action: z.literal('prune'), changed, candidates: z.array(pruneCandidate) },
  'nodes.rename': { action: z.literal('rename'), changed, node: nodeView },
  'nodes.label': { action: z.literal('label'), changed, node: nodeView },
  'nodes.wait': {
    node: z.string(),
    for: z.enum(['online', 'offline', 'paired', 'removed']),
    met: z.boolean().describe('False when the time was over first; the exit code is 8 then.'),
    waitedMs: z.int(),
  },
  // Of one node the document is `dispatch`; of -l and --all, even when they mean one node, it is this.
  'nodes.invoke': {
    capability: z.string(),
    results: z.array(
      z.object({
        node: z.string(),
        nodeId: z.string(),
        exitCode: z.int().describe('How this node alone would have ended the process.'),
        dispatch: dispatchView.nullable().describe('Null when nothing was sent.'),
        error: errorFields.nullable(),
      }),
    ),
  },
  'nodes.invoke-plan': {
    capability: z.string(),
    sent: z.literal(false),
    nodes: z.array(
      z.object({
        node: z.string(),
        nodeId: z.string(),
        presence: nodeView.shape.presence,
        reachable: z.boolean(),
        offered: z.boolean(),
        granted: z.boolean(),
        inputFits: z.boolean(),
        asks: z.enum(['nobody', 'machine']).describe('Who is asked before it runs; machine: the person at the node.'),
        asksThrough: nodeView.shape.asksThrough.describe(
          'How they could be asked now, in that order; null: nobody is asked, or the machine does not say.',
        ),
        sideEffects: z.enum(['none', 'local', 'external']).nullable(),
        would: z.enum(['run', 'hold', 'refuse']),
        problem: z.object({ code: z.string(), exitCode: z.int(), message: z.string() }).nullable(),
      }),
    ),
  },
  dispatch: { dispatch: dispatchView },
  'dispatches.list': { dispatches: z.array(dispatchListing), nextCursor: z.string().nullable() },
  'dispatches.cancel': { action: z.literal('cancel'), changed, dispatch: dispatchView },
  'capabilities.list': { capabilities: z.array(capabilitySummary) },
  'capabilities.show': { name: z.string(), offers: z.array(capabilityOffer) },
  schema: { name: z.string(), jsonSchema: z.record(z.string(), z.unknown()) },
  'schema.list': { names: z.array(z.string()) },
  'schema.commands': { commands: z.array(command) },
  invite: { invite: newInviteView, redeemedBy: inviteView.shape.redeemedBy.optional() },
  'invites.list': { invites: z.array(inviteView) },
  'invites.show': { invite: inviteView },
  'invites.revoke': { action: z.literal('revoke'), changed, invite: inviteView },
  'approvals.list': { requests: z.array(approvalView) },
  'approvals.show': { request: approvalView },
  'approvals.approve': approvedAnswer.shape,
  'approvals.reject': rejectedAnswer.shape,
  'node.pair': {
    action: z.literal('pair'),
    changed,
    node: identity,
    daemon: z.object({ name: z.string(), url: z.string() }),
    certificate,
  },
  'node.run': { action: z.literal('run'), state: z.literal('stopped'), node: identity.nullable() },
  'nodes.grant': { action: z.literal('grant'), changed, capabilities: z.array(z.string()), node: nodeView },
  'nodes.ungrant': { action: z.literal('ungrant'), changed, capabilities: z.array(z.string()), node: nodeView },
  'node.capabilities': {
    running: z.boolean().describe('A node runs here and goes by them now.'),
    capabilities: z.array(localCapability),
  },
  'node.capability': {
    action: z.enum(['enable', 'disable', 'allow', 'forget']),
    changed,
    running: z.boolean(),
    capability: localCapability,
  },
  'node.approvals': { questions: z.array(question) },
  'node.approval': { question, answer: z.enum(['once', 'always', 'deny', 'mute']) },
  'node.status': {
    paired: z.boolean(),
    name: z.string().optional(),
    id: z.string().optional(),
    daemon: z.object({ name: z.string(), url: z.string(), endpoint: z.string().nullable() }).optional(),
    connection: z
      .object({
        state: z.enum(['connecting', 'online', 'offline', 'stopping', 'conflict']),
        since: timestamp,
        transport: z.object({
          mode: z.enum(['auto', 'grpc', 'quic', 'poll']),
          used: linkTransport.nullable(),
          why: z.string().describe('For people: why this one carries the link.'),
          failures: z.array(
            z.object({
              transport: linkTransport,
              at: timestamp,
              reason: z.string(),
              message: z.string(),
              heldUntil: timestamp.nullable().describe('Not tried before; null when it may be tried.'),
            }),
          ),
        }),
        rttMs: z.number().nullable().describe('From the last heartbeat to the beat that answers it.'),
        attempts: z.int(),
        nextTryAt: timestamp.nullable(),
        lastError: z.object({ reason: z.string(), message: z.string() }).nullable(),
      })
      .nullable()
      .describe('Null when no node runs here.'),
    process: z.object({ pid: z.int(), version: z.string(), running: z.int() }).nullable().optional(),
    service: service.optional(),
    certificate: certificate
      .extend({
        renewsAt: timestamp.nullable().describe('Null when no node runs here.'),
        problem: z
          .object({ reason: z.string(), message: z.string() })
          .nullable()
          .describe('Why the last try to renew failed.'),
      })
      .optional(),
    clock: z
      .string()
      .nullable()
      .optional()
      .describe("How far the clock is from the daemon's, in words; null when it is not."),
    capabilities: z.array(z.object({ name: z.string(), enabled: z.boolean() })).optional(),
    plugins: plugins.nullable().optional().describe('Null when no node runs here.'),
  },
  'plugins.list': { plugins: z.array(pluginView) },
  'plugins.install': { action: z.literal('install'), ...pluginAdded },
  'plugins.link': { action: z.literal('link'), ...pluginAdded },
  'plugins.uninstall': {
    action: z.literal('uninstall'),
    changed,
    plugin: z.object({ name: z.string(), version: z.string() }),
  },
  'plugins.inspect': { plugin: pluginView, problems: z.array(z.string()).describe('As it is now.') },
  'plugins.run': {
    plugin: z.object({ name: z.string(), version: z.string() }),
    command: z.string(),
    result: z.unknown().describe('Whatever the command of the plugin returned.'),
  },
  'daemon.install': installed,
  'daemon.uninstall': uninstalled,
  'node.install': {
    ...installed,
    node: identity,
    proxy: z
      .object({
        url: z.string().describe('Without its password.'),
        file: z.string().nullable().describe('Where it was written; null when it was not.'),
      })
      .nullable()
      .optional()
      .describe('The proxy of this shell on the way to the daemon, which the service would not have.'),
  },
  'node.uninstall': uninstalled,
  'node.start': { action: z.literal('start'), ...serviceVerb },
  'node.stop': { action: z.literal('stop'), ...serviceVerb },
  'node.restart': { action: z.literal('restart'), ...serviceVerb },
  'node.logs': { entries: z.array(logRecord) },
  'node.leave': {
    action: z.literal('leave'),
    changed,
    node: identity.nullable(),
    daemonTold: z.boolean().nullable().describe('Null when there was no pairing to withdraw.'),
    removed: z.array(z.string()).describe('Files of the service.'),
  },
  'node.renew': {
    action: z.literal('renew'),
    changed,
    node: identity,
    newKey: z.boolean(),
    certificate,
  },
  'nodes.logs': {
    node: z.string(),
    dispatch: z.string().describe('The run that asked the machine.'),
    state: dispatchView.shape.state,
    entries: z
      .array(z.looseObject({ time: z.string().nullable(), level: z.string(), scope: z.string(), msg: z.string() }))
      .describe('Oldest first; time is null for a line that no log wrote.'),
    truncated: z.boolean().describe('There is more than was asked for, or than fits.'),
  },
  'node.seal': {
    action: z.literal('seal'),
    changed,
    node: identity.nullable().describe('What this machine was; its daemon was not told.'),
    service: z.enum(['none', 'kept']).describe('A service that is installed stays, stopped.'),
    removed: z.array(z.string()),
    kept: z.array(z.string()),
  },
  'node.reset': { action: z.literal('reset'), changed, newIdentity: z.boolean(), node: identity.nullable() },
  doctor: {
    ok: z.boolean().describe('False when a check failed; the exit code is 1 then.'),
    checks: z.array(check),
    fixed: z.array(z.string()).describe('Checks that --fix repaired.'),
    bundle: z.string().nullable().describe('The report that was written.'),
  },
  'audit.list': { entries: z.array(auditEntry), nextCursor: z.int().nullable() },
  'audit.export': { file: z.string(), entries: z.int() },
  'audit.verify': { file: z.string().nullable(), ...auditReport.shape },
  login: {
    action: z.literal('login'),
    context: z.string(),
    url: z.string(),
    identity: z.string().nullable(),
    operator: who.operator,
    role: who.role,
    credential: who.credential,
    scopes: who.scopes,
    expiresAt: timestamp.nullable(),
    credentialsFile: z.string(),
  },
  logout: {
    action: z.literal('logout'),
    context: z.string(),
    changed,
    told: z
      .boolean()
      .describe('Whether the daemon ended the session; false for a token, and when it could not be told.'),
  },
  whoami: {
    ...who,
    context: z.string().nullable(),
    contextSource,
    credentialSource: z.enum(['none', 'session', 'token', 'PALYRA_TOKEN', 'PALYRA_TOKEN_FILE']),
    url: z.string().nullable(),
    sessions: z.array(sessionView).nullable(),
    revoked: z.int().nullable(),
  },
  'context.list': { contexts: z.array(contextView) },
  'context.use': { action: z.literal('use'), changed, context: z.string() },
  'context.show': {
    context: contextView.nullable(),
    contextSource: contextSource.nullable(),
    url: z.string().nullable(),
    credentialsFile: z.string().nullable(),
  },
  'context.rename': { action: z.literal('rename'), changed, from: z.string(), context: z.string() },
  'context.remove': { action: z.literal('remove'), changed, context: z.string(), current: z.string() },
  'tokens.list': { tokens: z.array(tokenView) },
  'tokens.create': {
    action: z.literal('create'),
    token: tokenView,
    secret: z.string().nullable().describe('Shown this once; null when it was written to a file.'),
    file: z.string().nullable(),
  },
  'tokens.revoke': { action: z.literal('revoke'), changed, token: tokenView },
  'operators.list': { operators: z.array(operatorView) },
  'operators.create': { action: z.literal('create'), operator: operatorView },
  ...Object.fromEntries(
    ['role', 'password', 'disable', 'enable', 'remove'].map((action) => [
      `operators.${action}`,
      { action: z.literal(action), changed, operator: operatorView },
    ]),
  ),
  status: {
    daemon: daemonStatus.nullable(),
    node: z
      .looseObject({
        pid: z.int(),
        name: z.string(),
        state: z.string(),
        since: timestamp,
        daemon: z.object({ name: z.string(), endpoint: z.string().nullable() }),
      })
      .nullable(),
  },
  version: {
    version: z.string(),
    node: z.string(),
    platform: z.string(),
    arch: z.string(),
    protocol: z.object({ min: z.int(), max: z.int() }),
  },
  'exit-codes': { exitCodes: z.array(z.object({ code: z.int(), meaning: z.string(), retry: z.string() })) },
};

/** Lines of commands that go on: each line is one of these, without an envelope. */
const LINES = {
  'nodes.watch': events.nodesLine,
  'approvals.watch': events.approvalsLine,
  'node.approvals-watch': z.object({ type: z.enum(['question', 'over']), question }),
  'dispatches.watch': events.dispatchesLine,
  events: events.eventsLine,
};

/** File name to text, in a stable order. */
export function createSchemas() {
  const files = new Map();
  for (const [name, fields] of Object.entries(DOCUMENTS)) {
    const id = `palyra.${name}/v1`;
    const schema = z.object({ schema: z.literal(id), ...fields, warnings: z.array(z.string()) });
    // `input`: answers are open, so that fields may be added within v1.
    const json = {
      $id: `urn:palyra:schema:${name}:v1`,
      title: id,
      ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }),
    };
    files.set(`${name}.v1.json`, `${JSON.stringify(json, null, 2)}\n`);
  }
  for (const [name, schema] of Object.entries(LINES)) {
    const json = {
      $id: `urn:palyra:schema:${name}:v1`,
      title: `palyra.${name}/v1`,
      description: 'One line of NDJSON.',
      ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }),
    };
    files.set(`${name}.v1.json`, `${JSON.stringify(json, null, 2)}\n`);
  }
  return files;
}

function main() {
  const files = createSchemas();
  const present = existsSync(folder) ? readdirSync(folder) : [];
  if (process.argv.includes('--check')) {
    const stale = [...new Set([...files.keys(), ...present])].filter(
      (name) => !present.includes(name) || files.get(name) !== readFileSync(join(folder, name), 'utf8'),
    );
    if (stale.length === 0) return;
    console.error(`docs/schemas is stale: ${stale.join(', ')}. Run: node scripts/schemas.mjs`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
