import { realpathSync } from 'node:fs';
import { ROOT_PATH } from '#engine';
import { normaliseRoots } from '../backup/roots';
import type { EffectiveGrants } from '../schedule/refusals';
import type { AgentSession } from './agent-session';

/** What this machine grants, with its paths as they are at the moment. */
export class GrantSource {
  /** For a run that walks these roots, whatever the task's paths lead to by now. */
  forRun(session: AgentSession, walked: readonly Buffer[]): EffectiveGrants {
    return { ...this.effective(session), resolve: () => walked };
  }

  effective({ parts: { settings, monitoredPaths } }: AgentSession): EffectiveGrants {
    const hostRoot =
      settings.hostRoot === null ? ROOT_PATH : Buffer.from(realpathSync(settings.hostRoot, { encoding: 'buffer' }));
    const resolve = (paths: readonly string[]): readonly Buffer[] =>
      normaliseRoots(
        paths.map((path) => Buffer.from(path)),
        Buffer.from('/'),
        hostRoot,
      );
    return {
      remoteCommands: settings.grants.remoteCommands,
      allowedRoots: resolve(settings.grants.allowedPaths ?? monitoredPaths),
      resolve,
    };
  }
}
