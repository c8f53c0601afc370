import { Body, Controller, Post } from '@nestjs/common';
import { API, RegisterUserRequest, type UserAnswer } from '#common';
import { ForPeople } from '../auth/access';
import { UsersService } from './users.service';

@Controller()
export class UsersApiController {
  constructor(private readonly users: UsersService) {}

  @ForPeople('admin')
  @Post(API.users)
  register(@Body() request: RegisterUserRequest): Promise<UserAnswer> {
    return this.users.register(request);
  }
}
