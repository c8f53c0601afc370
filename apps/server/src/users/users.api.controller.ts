import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post } from '@nestjs/common';
import {
  API,
  ChangeUserRequest,
  RegisterUserRequest,
  type UserAnswer,
  type UserDetail,
  type UsersAnswer,
} from '#common';
import { actorOf } from '../audit/actor';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { UuidPipe } from '../http/uuid.pipe';
import { AccountGrants } from './account-grants';
import { AccountsService } from './accounts.service';
import type { PersonIdentity } from './person-identity';
import { UsersService } from './users.service';

@Controller()
export class UsersApiController {
  constructor(
    private readonly users: UsersService,
    private readonly accounts: AccountsService,
    private readonly grants: AccountGrants,
  ) {}

  @ForPeople('manage-users')
  @Post(API.users)
  register(@CurrentPerson() person: PersonIdentity, @Body() request: RegisterUserRequest): Promise<UserAnswer> {
    this.grants.assertMayRegister(person, request);
    return this.users.register(actorOf(person), request);
  }

  @ForPeople('manage-users')
  @Get('/api/users')
  list(): Promise<UsersAnswer> {
    return this.accounts.list();
  }

  @ForPeople('own-account')
  @Get('/api/users/me')
  me(@CurrentPerson() person: PersonIdentity): Promise<UserDetail> {
    return this.accounts.get(person.userId);
  }

  @ForPeople('manage-users')
  @Get(API.user(':userId'))
  get(@Param('userId', UuidPipe) id: string): Promise<UserDetail> {
    return this.accounts.get(id);
  }

  @ForPeople('manage-users')
  @Patch(API.user(':userId'))
  async change(
    @CurrentPerson() person: PersonIdentity,
    @Param('userId', UuidPipe) id: string,
    @Body() request: ChangeUserRequest,
  ): Promise<UserDetail> {
    await this.grants.assertMayChange(person, id, request);
    return this.accounts.change(person, id, request);
  }

  @ForPeople('manage-users')
  @Delete(API.user(':userId'))
  remove(@CurrentPerson() person: PersonIdentity, @Param('userId', UuidPipe) id: string): Promise<UserDetail> {
    return this.accounts.remove(person, id);
  }

  @ForPeople('manage-users')
  @Post(`${API.user(':userId')}/restore`)
  @HttpCode(200)
  restore(@CurrentPerson() person: PersonIdentity, @Param('userId', UuidPipe) id: string): Promise<UserDetail> {
    this.grants.assertMayGiveAccess(person);
    return this.accounts.restore(person, id);
  }
}
