import { Module } from '@nestjs/common';
import { ProtectWindow } from './protect-window';

/** The lock window, for all that removes or hides. */
@Module({ providers: [ProtectWindow], exports: [ProtectWindow] })
export class ProtectWindowModule {}
