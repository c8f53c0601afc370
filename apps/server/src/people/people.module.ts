import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { FleetModule } from '../fleet/fleet.module';
import { RetentionModule } from '../retention/retention.module';
import { UsersModule } from '../users/users.module';
import { NewUserPagesController } from './new-user.pages.controller';
import { UserPage } from './user-page';
import { UserRetentionPagesController } from './user-retention.pages.controller';
import { UsersListPage } from './users-list-page';
import { UsersPagesController } from './users.pages.controller';

/** Pages about users: above users, sign-ins, clients and retention. */
@Module({
  imports: [AuthModule, FleetModule, RetentionModule, UsersModule],
  // Before /users/:userId, which /users/new would be taken for.
  controllers: [NewUserPagesController, UserRetentionPagesController, UsersPagesController],
  providers: [UserPage, UsersListPage],
})
export class PeopleModule {}
