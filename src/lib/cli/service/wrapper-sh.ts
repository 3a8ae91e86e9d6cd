/**
 * The wrapper for Linux and macOS as text, in the shell language of POSIX. Its path never changes; at each start it takes the first Node that is new enough
 * and the first palyra it finds: what was recorded, then PATH, then where version switchers and package managers put them.
 *
 * It ends with 78 when there is none, which a supervisor does not answer with another start. It becomes palyra (`exec`), so that the process the
 * supervisor watches is palyra itself; only where 78 must be hidden it stays and passes signals on.
 */
import { describeRole } from './service-spec.js';
import { assertPlan, type WrapperPlan } from './wrapper-plan.js';

const NODE_PLACES = [
  '"$HOME"/.volta/bin/node',
  '"${NVM_DIR:-$HOME/.nvm}"/versions/node/*/bin/node',
  '"${FNM_DIR:-$HOME/.local/share/fnm}"/node-versions/*/installation/bin/node',
  '"$HOME"/.fnm/node-versions/*/installation/bin/node',
  '"$HOME/Library/Application Support/fnm"/node-versions/*/installation/bin/node',
  '"$HOME"/.local/share/mise/installs/node/*/bin/node',
  '"$HOME"/.asdf/installs/nodejs/*/bin/node',
  '"$HOME"/.nodenv/versions/*/bin/node',
  '"$HOME"/n/bin/node',
  '"$HOME"/.local/bin/node',
  '/opt/homebrew/bin/node',
  '/usr/local/bin/node',
  '/usr/bin/node',
];

const PACKAGE_PLACES = [
  '"${node%/bin/*}"/lib/node_modules',
  '"${NVM_DIR:-$HOME/.nvm}"/versions/node/*/lib/node_modules',
  '"${FNM_DIR:-$HOME/.local/share/fnm}"/node-versions/*/installation/lib/node_modules',
  '"$HOME"/.fnm/node-versions/*/installation/lib/node_modules',
  '"$HOME/Library/Application Support/fnm"/node-versions/*/installation/lib/node_modules',
  '"$HOME"/.volta/tools/image/packages/palyra/lib/node_modules',
  '"$HOME"/.local/share/mise/installs/node/*/lib/node_modules',
  '"$HOME"/.asdf/installs/nodejs/*/lib/node_modules',
  '"$HOME"/.nodenv/versions/*/lib/node_modules',
  '"$HOME"/n/lib/node_modules',
  '"$HOME"/.npm-global/lib/node_modules',
  '"$HOME"/.local/lib/node_modules',
  '"$HOME"/.local/share/pnpm/global/*/node_modules',
  '/opt/homebrew/lib/node_modules',
  '/usr/local/lib/node_modules',
  '/usr/lib/node_modules',
];

/** Throws CONFIG_INVALID for a path that cannot be quoted. */
export function shellWrapper(plan: WrapperPlan): string {
  assertPlan(plan);
  const exports = Object.entries(plan.environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [
    '#!/bin/sh',
    `# Starts the ${describeRole(plan.role)}. Written by palyra ${plan.role} install, which writes it again; changes are lost.`,
    'HOME=${HOME:-/nonexistent}',
    ...exports,
    '',
    'give_up() {',
    '  echo "palyra: $1" >&2',
    '  exit 78',
    '}',
    '',
    '# A Node that starts and is 20.19 or newer.',
    'consider_node() {',
    '  [ -z "$node" ] && [ -f "$1" ] && [ -x "$1" ] || return 0',
    `  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' </dev/null >/dev/null 2>&1 && node=$1`,
    '  return 0',
    '}',
    'node=',
    `consider_node ${quoted(plan.node)}`,
    'consider_node "$(command -v node 2>/dev/null)"',
    `for place in ${continued(NODE_PLACES)}; do`,
    '  consider_node "$place"',
    'done',
    `[ -n "$node" ] || give_up ${quoted(`no Node 20.19 or newer was found. It was at ${plan.node}; PATH and the usual places have none. Install one, then: palyra ${plan.role} start`)}`,
    '',
    'consider_entry() {',
    '  [ -z "$entry" ] && [ -f "$1" ] && entry=$1',
    '  return 0',
    '}',
    'entry=',
    `consider_entry ${quoted(plan.entry)}`,
    '# What PATH has may be a script of a package manager instead of palyra itself.',
    'on_path=$(command -v palyra 2>/dev/null)',
    'if [ -n "$on_path" ] && IFS= read -r first 2>/dev/null <"$on_path"; then',
    '  case $first in',
    `    '#!'*node*) consider_entry "$on_path" ;;`,
    '  esac',
    'fi',
    `for place in ${continued(PACKAGE_PLACES)}; do`,
    '  consider_entry "$place/palyra/bin/run.js"',
    'done',
    `[ -n "$entry" ] || give_up ${quoted(`palyra itself was not found. It was at ${plan.entry}. Install it (npm i -g palyra), then: palyra ${plan.role} install`)}`,
    '',
    ...(plan.endsQuietlyWhenFinal ? watched(plan.words) : [`exec "$node" "$entry" ${words(plan.words)}`]),
    '',
  ].join('\n');
}

function watched(command: readonly string[]): string[] {
  return [
    '# A signal that comes before the number of the child is known is passed on as soon as it is.',
    'child= stop=',
    `trap 'stop=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT HUP`,
    `"$node" "$entry" ${words(command)} &`,
    'child=$!',
    '[ -z "$stop" ] || kill -TERM "$child" 2>/dev/null',
    'while :; do',
    '  wait "$child"',
    '  code=$?',
    '  kill -0 "$child" 2>/dev/null || break',
    'done',
    '# A person must act first: the supervisor is told that all is well, so that it does not start it again.',
    '[ "$code" -eq 78 ] && exit 0',
    'exit "$code"',
  ];
}

function words(list: readonly string[]): string {
  return list.map(quoted).join(' ');
}

function continued(places: readonly string[]): string {
  return places.join(' \\\n  ');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
