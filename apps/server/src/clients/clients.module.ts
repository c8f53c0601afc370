import { Module } from '@nestjs/common';
import { UsersModule } from '../users/users.module';
import { ClientsApiController } from './clients.api.controller';
import { ClientsRepository } from './clients.repository';
import { ClientsService } from './clients.service';

@Module({
  imports: [UsersModule],
  controllers: [ClientsApiController],
  providers: [ClientsRepository, ClientsService],
  exports: [ClientsService],
})
export class ClientsModule {}
