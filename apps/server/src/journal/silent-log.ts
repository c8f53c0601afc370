import { ServerLog } from './server-log';

export function silentLog(): ServerLog {
  return new ServerLog({ level: 'info', destination: { write: () => undefined }, clean: (text) => text });
}
