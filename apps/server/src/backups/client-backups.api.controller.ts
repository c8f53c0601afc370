import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import {
  API,
  FileHistoryQuery,
  FilesQuery,
  RunProblemsQuery,
  RunsQuery,
  type FileHistoryAnswer,
  type FilesAnswer,
  type RunDetail,
  type RunProblemsAnswer,
  type RunsAnswer,
  type SnapshotsAnswer,
} from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { mayByRole } from '../auth/role-matrix';
import { ClientsService, type ClientWithOwner } from '../clients/clients.service';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { DownloadService } from './download.service';
import { FilesService } from './files.service';
import { RunHistoryService } from './run-history.service';
import { SnapshotsService } from './snapshots.service';

/** What a client has stored, for people: the very services that its agent asks. */
@Controller()
export class ClientBackupsApiController {
  constructor(
    private readonly clients: ClientsService,
    private readonly history: RunHistoryService,
    private readonly snapshots: SnapshotsService,
    private readonly files: FilesService,
    private readonly downloads: DownloadService,
  ) {}

  @ForPeople('see-status')
  @Get(API.clientRuns(':clientId'))
  async runs(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Query() { cursor, limit }: RunsQuery,
  ): Promise<RunsAnswer> {
    const { runs, next } = await this.history.listRuns((await this.clientOf(person, id)).no, cursor, limit);
    if (mayByRole(person.role, 'see-details')) return { runs, next };
    // Errors and the current file name files.
    const shown = runs.map((run) => ({
      ...run,
      error: run.error === null ? null : 'hidden',
      progress: run.progress && { ...run.progress, currentPath: null },
    }));
    return { runs: shown, next };
  }

  @ForPeople('see-details')
  @Get(`${API.clientRuns(':clientId')}/:runId`)
  async run(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Param('runId', UuidPipe) runId: string,
  ): Promise<RunDetail> {
    return this.history.getRun((await this.clientOf(person, id)).no, runId);
  }

  @ForPeople('read-files')
  @Get(`${API.clientRuns(':clientId')}/:runId/problems`)
  async problems(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Param('runId', UuidPipe) runId: string,
    @Query() { cursor, limit }: RunProblemsQuery,
  ): Promise<RunProblemsAnswer> {
    return this.history.listProblems((await this.clientOf(person, id)).no, runId, cursor, limit);
  }

  @ForPeople('see-status')
  @Get(API.backups(':clientId'))
  async backups(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
  ): Promise<SnapshotsAnswer> {
    const { snapshots } = await this.snapshots.listSnapshots((await this.clientOf(person, id)).no);
    if (mayByRole(person.role, 'read-files')) return { snapshots };
    return { snapshots: snapshots.map((snapshot) => ({ ...snapshot, rootsBase64: [] })) };
  }

  @ForPeople('read-files')
  @Get(API.files(':clientId'))
  async list(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Query() query: FilesQuery,
  ): Promise<FilesAnswer> {
    return this.files.list((await this.clientOf(person, id)).no, query);
  }

  @ForPeople('read-files')
  @Get(API.fileHistory(':clientId'))
  async fileHistory(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Query() query: FileHistoryQuery,
  ): Promise<FileHistoryAnswer> {
    return this.files.history((await this.clientOf(person, id)).no, query);
  }

  @ForPeople('read-files')
  @Get(API.download(':clientId', ':version'))
  async download(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Param('version') version: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const client = await this.clientOf(person, id);
    await this.downloads.answer({ person, client, version }, request, response);
  }

  private clientOf(person: PersonIdentity, id: string): Promise<ClientWithOwner> {
    return this.clients.getPresent({ kind: 'person', person }, id);
  }
}
