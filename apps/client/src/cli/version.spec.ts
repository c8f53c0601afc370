import { version } from '../../../../package.json';
import { AGENT_VERSION } from './version';

it('the agent has the version of the package', () => {
  expect(AGENT_VERSION).toBe(version);
});
