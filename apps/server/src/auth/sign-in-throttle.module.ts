import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { SignInThrottle } from './sign-in-throttle';
import { SignInThrottleRepository } from './sign-in-throttle.repository';

@Module({
  imports: [AuditModule],
  providers: [SignInThrottle, SignInThrottleRepository],
  exports: [SignInThrottle],
})
export class SignInThrottleModule {}
