import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { AuditModule } from '../audit/audit.module';
import { ConfigExportModule } from '../config-export/config-export.module';
import { ClientsModule } from '../clients/clients.module';
import { UsersModule } from '../users/users.module';
import { AccessGuard } from './access.guard';
import { ApiTokensRepository } from './api-tokens.repository';
import { ApiTokensService } from './api-tokens.service';
import { AuthApiController } from './auth.api.controller';
import { AuthService } from './auth.service';
import { FreshSignIn } from './fresh-sign-in';
import { OwnAccountApiController } from './own-account.api.controller';
import { OwnAccountService } from './own-account.service';
import { LoginPagesController } from './login.pages.controller';
import { PageGate } from './page-gate';
import { PageSignIn } from './page-sign-in';
import { ProfilePage } from './profile-page';
import { TokensPagesController } from './tokens.pages.controller';
import { ProfilePagesController } from './profile.pages.controller';
import { PageSessions } from './page-sessions.service';
import { PageSessionsRepository } from './page-sessions.repository';
import { SignInThrottleModule } from './sign-in-throttle.module';
import { SigningKey } from './signing-key';
import { SigningKeyRepository } from './signing-key.repository';
import { Tokens } from './tokens';

@Module({
  imports: [JwtModule.register({}), AuditModule, ConfigExportModule, UsersModule, ClientsModule, SignInThrottleModule],
  controllers: [
    AuthApiController,
    LoginPagesController,
    OwnAccountApiController,
    ProfilePagesController,
    TokensPagesController,
  ],
  providers: [
    AuthService,
    FreshSignIn,
    OwnAccountService,
    ApiTokensService,
    ApiTokensRepository,
    PageGate,
    PageSignIn,
    PageSessions,
    ProfilePage,
    PageSessionsRepository,
    SigningKey,
    SigningKeyRepository,
    Tokens,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [FreshSignIn, OwnAccountService, PageSessions, PageSignIn],
})
export class AuthModule {}
