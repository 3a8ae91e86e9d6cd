/** What the commands about a service share: how long they wait, how they stop on a signal, and their document. */
import type { Command } from '@oclif/core';
import { BaseCommand } from '../base-command.js';
import type { CommandDocument } from '../output.js';
import { listenForStop } from '../signals.js';
import { runProgram } from './programs.js';
import type { ServiceRole } from './service-spec.js';
import type { Service } from './service.js';
import { viewService } from './service-view.js';
import type { Supervisor } from './supervisor.js';
import { installedSupervisor } from './supervisors.js';
import { bootedAt, daemonService, nodeService, specOf, thisPlace } from './this-machine.js';

/** A machine that joins, connects and registers takes about a second; one that waits for the network longer. */
export const READY_WITHIN_MS = 30_000;

export abstract class ServiceCommand<T extends typeof Command> extends BaseCommand<T> {
  protected nodeService(): Service {
    return nodeService(this.directories);
  }

  protected daemonService(): Service {
    return daemonService(this.directories, this.client());
  }

  /** Runs the work with a deadline and a signal; Ctrl-C stops the waiting, not the service. */
  protected async waiting<R>(work: (options: { timeoutMs: number; signal: AbortSignal }) => Promise<R>): Promise<R> {
    const stop = listenForStop();
    try {
      return await work({ timeoutMs: this.flags.timeout ?? READY_WITHIN_MS, signal: stop.signal });
    } finally {
      stop.dispose();
    }
  }

  protected async serviceDocument(
    role: ServiceRole,
    action: string,
    changed: boolean,
    supervisor: Supervisor | null,
    pid?: number | null,
  ): Promise<CommandDocument & { readonly service: Awaited<ReturnType<typeof viewService>> }> {
    const service = await viewService(supervisor, bootedAt());
    return {
      schema: `palyra.${role}.${action}/v1`,
      action,
      changed,
      state: service?.running === true ? 'running' : 'stopped',
      pid: pid ?? null,
      service,
    };
  }
}

/** How the role is installed on this machine, null when it is not. For commands that only show it. */
export function thisService(role: ServiceRole, directories: Parameters<typeof specOf>[1]) {
  return viewService(installedSupervisor(specOf(role, directories), thisPlace(), runProgram), bootedAt());
}
