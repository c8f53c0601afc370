import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  API,
  ChangeClientRequest,
  ClientsQuery,
  type ClientDetail,
  type ClientsAnswer,
  type RegisterClientAnswer,
} from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { ClientCareService } from '../clients/client-care.service';
import { ClientsService } from '../clients/clients.service';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { FleetService } from './fleet.service';

/** Clients, for people. */
@Controller()
export class FleetApiController {
  constructor(
    private readonly fleet: FleetService,
    private readonly clients: ClientsService,
    private readonly care: ClientCareService,
  ) {}

  @ForPeople('see-status')
  @Get(API.clients)
  list(@CurrentPerson() person: PersonIdentity, @Query() query: ClientsQuery): Promise<ClientsAnswer> {
    return this.fleet.list(person, query);
  }

  @ForPeople('see-status')
  @Get(API.client(':clientId'))
  get(@CurrentPerson() person: PersonIdentity, @Param('clientId', UuidPipe) id: string): Promise<ClientDetail> {
    return this.fleet.get(person, id);
  }

  @ForPeople('change-clients')
  @Patch(API.client(':clientId'))
  async change(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Body() request: ChangeClientRequest,
  ): Promise<ClientDetail> {
    await this.care.change(person, await this.numberOf(person, id), request);
    return this.fleet.get(person, id);
  }

  @ForPeople('change-clients')
  @Delete(API.client(':clientId'))
  async remove(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
  ): Promise<ClientDetail> {
    await this.care.remove(person, await this.numberOf(person, id));
    return this.fleet.get(person, id);
  }

  @ForPeople('change-clients')
  @Post(`${API.client(':clientId')}/restore`)
  @HttpCode(200)
  async restore(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
  ): Promise<ClientDetail> {
    const { no } = await this.clients.get({ kind: 'person', person }, id);
    await this.care.restore(person, no);
    return this.fleet.get(person, id);
  }

  @ForPeople('change-clients')
  @Post(`${API.client(':clientId')}/revoke`)
  @HttpCode(200)
  async revoke(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
  ): Promise<ClientDetail> {
    await this.care.revoke(person, await this.numberOf(person, id));
    return this.fleet.get(person, id);
  }

  /** A new secret, shown this once; of a revoked client too, which is active with it again. */
  @ForPeople('enrol-clients')
  @Post(`${API.client(':clientId')}/secret`)
  @HttpCode(200)
  async newSecret(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
  ): Promise<RegisterClientAnswer> {
    return this.care.newSecret(person, await this.numberOf(person, id));
  }

  private async numberOf(person: PersonIdentity, id: string): Promise<number> {
    return (await this.clients.getPresent({ kind: 'person', person }, id)).no;
  }
}
