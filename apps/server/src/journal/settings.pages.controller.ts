import { Body, Controller, Get, Post } from '@nestjs/common';
import { LogLevelRequest, SERVER_LOG_LEVELS } from '#common';
import { Page } from '../auth/access';
import { CurrentViewer, type SignedInViewer } from '../auth/current-viewer';
import { ServerSettings } from '../config/server-settings';
import type { FormFields } from '../pages/form-fields';
import { formProblem, requestOf, type FormProblem } from '../pages/form-problem';
import { goTo, showPage, type PageAnswer } from '../pages/page';
import { LogLevelService } from './log-level.service';
import { settingGroups } from './setting-rows';

/** What the operator decided, and where each of it comes from. */
@Controller()
export class SettingsPagesController {
  constructor(
    private readonly settings: ServerSettings,
    private readonly levels: LogLevelService,
  ) {}

  @Page('maintain')
  @Get('/settings')
  show(): PageAnswer {
    return this.page(null);
  }

  @Page('maintain')
  @Post('/settings/log-level')
  async setLogLevel(@CurrentViewer() { person }: SignedInViewer, @Body() fields: FormFields): Promise<PageAnswer> {
    try {
      const { level } = requestOf(LogLevelRequest, { level: fields.text('level') }, { level: 'Choose a level.' });
      await this.levels.change(person, level);
      return goTo('/settings', `The server's log says ${level} and what is worse.`);
    } catch (error) {
      return this.page(formProblem(error));
    }
  }

  private page(problem: FormProblem | null): PageAnswer {
    const { level } = this.levels;
    const view = {
      title: 'Settings',
      groups: settingGroups(this.settings),
      levels: SERVER_LOG_LEVELS.map((value) => ({ value, label: value, isSelected: value === level })),
    };
    return showPage('settings/settings', view, { problem });
  }
}
