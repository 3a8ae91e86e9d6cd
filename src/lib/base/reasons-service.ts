/** Reasons met while palyra is installed, started or removed as a service of a machine. */
import { reasons } from './reason-row.js';

export const SERVICE_REASONS = reasons({
  SERVICE_NOT_INSTALLED: {
    code: 'FAILED_PRECONDITION',
    title: 'It is not installed as a service here',
    hint: 'Install it: palyra node install, or palyra daemon install',
  },
  SERVICE_FAILED: {
    code: 'INTERNAL',
    title: 'The service could not be changed',
    hint: 'See why: palyra doctor, and the log: palyra node logs or palyra daemon logs',
  },
  SERVICE_START_FAILED: {
    code: 'INTERNAL',
    title: 'The service ended right after it was started',
    hint: 'See why: palyra node logs, or palyra daemon logs',
  },
  SERVICE_NOT_READY: {
    code: 'DEADLINE_EXCEEDED',
    title: 'The service runs but is not connected yet; it goes on trying',
    hint: 'See why: palyra node status',
    retrySafe: true,
  },
  SERVICE_NEEDS_ROOT: {
    code: 'PERMISSION_DENIED',
    title: 'This is a service of the system, which only root may change; palyra never runs sudo',
    hint: 'Run the command with sudo yourself',
  },
});
