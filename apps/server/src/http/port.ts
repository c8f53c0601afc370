import { createServer } from 'node:net';
import { StartError } from '../config/start-error';

/**
 * Throws when something listens on the port already. Asked before database and storage are opened: a second server
 * started by mistake must not touch what the first one works on.
 */
export async function assertPortIsFree(port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen(port, resolve);
    });
  } catch (error) {
    throw portError(port, error);
  }
  await new Promise((resolve) => probe.close(resolve));
}

/** Translates what listening failed with; other errors come back as they are. */
export function portError(port: number, error: unknown): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return new StartError(
      `Port ${port} is taken: something listens there already. Stop it, or set PORT to another number.`,
      { cause: error },
    );
  }
  if (code === 'EACCES') {
    return new StartError(`Port ${port} may not be used by this account. Set PORT to a number above 1023.`, {
      cause: error,
    });
  }
  return error;
}
