import { AgentLog } from './agent-log';
import type { LogSpool } from './log-spool';

it('a log whose lines cannot be kept shows them, and says why once for each cause', () => {
  let code = '';
  const append = (): void => {
    if (code !== '') throw Object.assign(new Error(code), { code, syscall: 'write' });
  };
  const [shown, told]: [string[], string[]] = [[], []];
  const log = new AgentLog(
    { append } as unknown as LogSpool,
    (line) => shown.push(line),
    () => 0,
    (line) => told.push(line),
  );
  for (code of ['ENOSPC', 'ENOSPC', 'EROFS', '', 'ENOSPC']) log.info('line');
  expect(shown).toHaveLength(5);
  expect(told.map((line) => /\((\w+)\)/.exec(line)?.[1])).toEqual(['ENOSPC', 'EROFS', 'ENOSPC']);
});
