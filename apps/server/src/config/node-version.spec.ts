import { nodeVersionProblem } from './node-version';

describe('nodeVersionProblem', () => {
  it.each(['24.0.0', '24.21.0', '26.1.0'])('has nothing against %s', (version) => {
    expect(nodeVersionProblem(version)).toBeNull();
  });

  it.each(['20.20.2', '22.14.0', '23.9.0'])('tells %s apart, with the version and the way out', (version) => {
    expect(nodeVersionProblem(version)).toContain(version);
    expect(nodeVersionProblem(version)).toContain('bin/holdfast-server');
  });
});
