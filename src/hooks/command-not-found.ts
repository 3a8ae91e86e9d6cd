/**
 * An unknown command: its words as they were typed, the nearest command as a hint, never run unasked. Exit 127.
 * oclif also comes here for an argument that a command does not take (`nodes list pi`); that is a usage error, exit 2.
 */
import type { Hook } from '@oclif/core';
import { PalyraError } from '../lib/base/errors.js';
import { closest } from '../lib/cli/text.js';

const hook: Hook.CommandNotFound = async function ({ config, id }) {
  const words = id.split(':');
  const typed = words.join(' ');
  const known = config.commands
    .filter((command) => !command.hidden)
    .flatMap((command) => [command.id, ...command.aliases])
    .map((command) => command.replaceAll(':', ' '));
  const used = words.findLastIndex((_, index) => known.includes(words.slice(0, index + 1).join(' ')));
  if (used !== -1) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `unexpected argument ${words.slice(used + 1).join(' ')}`,
      hint: `See what it takes: palyra ${words.slice(0, used + 1).join(' ')} --help`,
    });
  }
  const near = closest(typed, known);
  throw new PalyraError('COMMAND_UNKNOWN', {
    detail: `"${typed}"`,
    ...(near === null ? {} : { hint: `Did you mean: palyra ${near}` }),
    details: { command: typed, suggestion: near },
  });
};

export default hook;
