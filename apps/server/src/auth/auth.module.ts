import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { ClientsModule } from '../clients/clients.module';
import { UsersModule } from '../users/users.module';
import { AccessGuard } from './access.guard';
import { AuthApiController } from './auth.api.controller';
import { AuthService } from './auth.service';
import { SigningKey } from './signing-key';
import { Tokens } from './tokens';

@Module({
  imports: [JwtModule.register({}), UsersModule, ClientsModule],
  controllers: [AuthApiController],
  providers: [AuthService, SigningKey, Tokens, { provide: APP_GUARD, useClass: AccessGuard }],
})
export class AuthModule {}
