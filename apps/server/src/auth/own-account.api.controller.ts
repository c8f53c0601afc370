import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  API,
  ChangePasswordRequest,
  CreateTokenRequest,
  SetPasswordRequest,
  type CreateTokenAnswer,
  type LoginAnswer,
  type TokensAnswer,
  type UserDetail,
} from '#common';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { ForPeople } from './access';
import { ApiTokensService } from './api-tokens.service';
import { OwnAccountService } from './own-account.service';
import { CurrentPerson } from './request-identity';

@Controller()
export class OwnAccountApiController {
  constructor(
    private readonly account: OwnAccountService,
    private readonly tokens: ApiTokensService,
  ) {}

  @ForPeople('own-account')
  @Post('/api/users/me/password')
  @HttpCode(200)
  changePassword(
    @CurrentPerson() person: PersonIdentity,
    @Body() request: ChangePasswordRequest,
  ): Promise<LoginAnswer> {
    return this.account.changePassword(person, request);
  }

  @ForPeople('own-account')
  @Post('/api/users/me/revoke')
  @HttpCode(204)
  async revokeMine(@CurrentPerson() person: PersonIdentity): Promise<void> {
    await this.account.revokeAll(person, person.userId);
  }

  @ForPeople('own-account')
  @Get(API.myTokens)
  list(@CurrentPerson() person: PersonIdentity): Promise<TokensAnswer> {
    return this.tokens.list(person.userNo);
  }

  @ForPeople('own-account')
  @Post(API.myTokens)
  create(@CurrentPerson() person: PersonIdentity, @Body() request: CreateTokenRequest): Promise<CreateTokenAnswer> {
    return this.tokens.create(person, request);
  }

  @ForPeople('own-account')
  @Delete(`${API.myTokens}/:tokenId`)
  @HttpCode(204)
  revoke(@CurrentPerson() person: PersonIdentity, @Param('tokenId', UuidPipe) id: string): Promise<void> {
    return this.tokens.revoke(person, id);
  }

  @ForPeople('manage-users')
  @Post(`${API.user(':userId')}/password`)
  @HttpCode(200)
  setPassword(
    @CurrentPerson() person: PersonIdentity,
    @Param('userId', UuidPipe) id: string,
    @Body() { password }: SetPasswordRequest,
  ): Promise<UserDetail> {
    return this.account.setPassword(person, id, password);
  }

  @ForPeople('manage-users')
  @Post(`${API.user(':userId')}/revoke`)
  @HttpCode(204)
  async revokeAll(@CurrentPerson() person: PersonIdentity, @Param('userId', UuidPipe) id: string): Promise<void> {
    await this.account.revokeAll(person, id);
  }
}
