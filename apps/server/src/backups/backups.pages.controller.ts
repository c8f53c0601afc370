import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { FileHistoryQuery, FilesQuery } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { ClientsService, type ClientWithOwner } from '../clients/clients.service';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { queryText } from '../pages/list-address';
import { Moments } from '../pages/moments';
import { showPage, type PageAnswer } from '../pages/page';
import { PageIdPipe } from '../pages/page-id.pipe';
import { DownloadService } from './download.service';
import { decodeVersion, pathOfQuery } from './file-paths';
import { fileHistoryView, folderView } from './files.view';
import { BackupsReading } from './backups-reading';
import { runView } from './run.view';

/** What a client's backups hold, and what became of its runs. */
@Controller()
export class BackupsPagesController {
  constructor(
    private readonly reading: BackupsReading,
    private readonly clients: ClientsService,
    private readonly downloads: DownloadService,
    private readonly database: Database,
  ) {}

  @Page('see-details')
  @Get('/clients/:clientId/runs/:runId')
  async run(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Param('runId', PageIdPipe) runId: string,
    @Query('after') after: unknown,
  ): Promise<PageAnswer> {
    const client = await this.clientOf(viewer, id);
    const place = /^\d{1,9}$/.test(queryText(after)) ? Number(after) : 0;
    const { problems, next } = await this.reading.runs.listProblems(client.no, runId, place);
    const run = await this.reading.runs.getRun(client.no, runId);
    const moments = await this.moments(viewer);
    return showPage('clients/run', runView({ client, run, problems, next, moments }));
  }

  @Page('read-files')
  @Get('/clients/:clientId/files')
  async folder(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Query() query: FilesQuery,
  ): Promise<PageAnswer> {
    const client = await this.clientOf(viewer, id);
    const { snapshots } = await this.reading.snapshots.listSnapshots(client.no);
    if (snapshots.length === 0)
      return showPage('clients/no-files', { title: `Files of ${client.name}`, ...namesOf(client) });
    const answer = await this.reading.files.list(client.no, query);
    const moments = await this.moments(viewer);
    return showPage('clients/files', folderView({ client, answer, snapshots, path: pathOfQuery(query), moments }));
  }

  @Page('read-files')
  @Get('/clients/:clientId/files/history')
  async history(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Query() query: FileHistoryQuery,
  ): Promise<PageAnswer> {
    const client = await this.clientOf(viewer, id);
    const { versions } = await this.reading.files.history(client.no, query);
    if (versions.length === 0) throw new DomainError('not-found', 'No backup of this client has this path.');
    const moments = await this.moments(viewer);
    return showPage('clients/file-history', fileHistoryView({ client, versions, path: pathOfQuery(query), moments }));
  }

  /** The very answer that the API gives: an attachment that is never shown as a page. */
  @Page('read-files')
  @Get('/clients/:clientId/download/:version')
  async download(
    @CurrentViewer() viewer: SignedInViewer,
    @Param('clientId', PageIdPipe) id: string,
    @Param('version') version: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    assertVersion(version);
    const client = await this.clientOf(viewer, id);
    await this.downloads.answer({ person: viewer.person, client, version }, request, response);
  }

  private clientOf({ person }: SignedInViewer, id: string): Promise<ClientWithOwner> {
    return this.clients.getPresent({ kind: 'person', person }, id);
  }

  private async moments({ timeZone }: SignedInViewer): Promise<Moments> {
    return new Moments(timeZone, await this.database.now());
  }
}

function namesOf({ id, name }: ClientWithOwner): { clientId: string; clientName: string } {
  return { clientId: id, clientName: name };
}

/** A link that lost a part of itself: how the API names versions is no matter of whoever follows it. */
function assertVersion(text: string): void {
  try {
    decodeVersion(text);
  } catch (error) {
    throw new DomainError('not-found', 'This file is not in that backup.', { cause: error });
  }
}
