import { Module } from '@nestjs/common';
import { DomainsService } from './domains.service';
import { FirstAdmin } from './first-admin';
import { Passwords } from './passwords';
import { UsersApiController } from './users.api.controller';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

@Module({
  controllers: [UsersApiController],
  providers: [DomainsService, FirstAdmin, Passwords, UsersRepository, UsersService],
  exports: [DomainsService, UsersService],
})
export class UsersModule {}
