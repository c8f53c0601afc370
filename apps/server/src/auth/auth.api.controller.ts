import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import { AgentTokenRequest, API, LoginRequest, type AgentTokenAnswer, type LoginAnswer } from '#common';
import { AgentProtocol, Public } from './access';
import { AuthService } from './auth.service';

@Controller()
export class AuthApiController {
  constructor(private readonly auth: AuthService) {}

  @Public()
  @Post(API.login)
  @HttpCode(200)
  login(@Body() login: LoginRequest, @Req() request: Request): Promise<LoginAnswer> {
    return this.auth.login(login, request.ip ?? null);
  }

  @Public()
  @AgentProtocol()
  @Post(API.agentToken)
  @HttpCode(200)
  agentToken(@Body() request: AgentTokenRequest): Promise<AgentTokenAnswer> {
    return this.auth.agentToken(request);
  }
}
