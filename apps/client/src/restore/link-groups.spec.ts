import { LinkGroups } from './link-groups';

describe('LinkGroups', () => {
  it('finds the first entry of each kind, in memory and on disk', () => {
    const groups = new LinkGroups(3);
    const entry = (i: number): Buffer => Buffer.from(`entry ${i}`);
    for (let i = 0; i < 10; i++) {
      expect(groups.find(entry(i))).toBeUndefined();
      groups.add(entry(i), 100 + i);
    }
    for (let i = 0; i < 10; i++) expect(groups.find(entry(i))).toBe(100 + i);
    groups.close();
  });
});
