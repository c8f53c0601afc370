import { Injectable } from '@nestjs/common';
import { LIMITS, type ChangeClientConfigRequest, type CommandSpec, type ConfigAnswer } from '#common';
import type { Caller } from '../auth/request-identity';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientCareService } from '../clients/client-care.service';
import { ClientsService } from '../clients/clients.service';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { PersonIdentity } from '../users/person-identity';
import { DEFAULT_WAIT_SECONDS } from './agent-commands.service';

/** An agent tells how far a run is this often. */
const PROGRESS_EVERY_MS = 2_000;

/** What a config rests on beside the database. */
@Injectable()
export class ConfigRules {
  constructor(
    readonly settings: ServerSettings,
    readonly freshSignIn: FreshSignIn,
  ) {}
}

/** What the server would have an agent do. */
@Injectable()
export class ClientConfigService {
  constructor(
    private readonly database: Database,
    private readonly clients: ClientsService,
    private readonly tasks: TaskDefinitionsService,
    private readonly care: ClientCareService,
    private readonly rules: ConfigRules,
  ) {}

  async get(caller: Caller, clientId: string): Promise<ConfigAnswer> {
    const client = await this.clients.getPresent(caller, clientId);
    return this.database.read(async (sql) => ({
      // Read before the tasks: a change that comes between is fetched once more, never missed.
      version: client.config_version,
      serverTimeMs: await sql.now(),
      client: { id: client.id, name: client.name, owner: client.owner_name },
      publicUrl: this.rules.settings.publicUrl,
      preCommands: JSON.parse(client.pre_commands ?? '[]') as CommandSpec[],
      tasks: await this.tasks.configOf(sql, client.no),
      limits: {
        logLinesPerBatch: LIMITS.logLines,
        logLineCharacters: LIMITS.logLineCharacters,
        outputBytesPerCommand: LIMITS.outputBytes,
        progressEveryMs: PROGRESS_EVERY_MS,
        pollSeconds: DEFAULT_WAIT_SECONDS,
      },
    }));
  }

  /** Whether a change of commands would be taken without another sign-in. */
  isFresh(person: PersonIdentity): boolean {
    return this.rules.freshSignIn.isFresh(person);
  }

  async setPreCommands(
    person: PersonIdentity,
    clientId: string,
    { preCommands }: ChangeClientConfigRequest,
  ): Promise<ConfigAnswer> {
    this.rules.freshSignIn.assertMayChangeCommands(person);
    const client = await this.clients.getPresent({ kind: 'person', person }, clientId);
    await this.care.setPreCommands(person, client.no, preCommands);
    return this.get({ kind: 'person', person }, clientId);
  }
}
