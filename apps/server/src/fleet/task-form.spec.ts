import { FieldProblems } from '../pages/form-problem';
import { emptyTaskForm, taskRequest } from './task-form';

const problemsOf = (change: object): unknown => {
  try {
    return taskRequest({ ...emptyTaskForm('UTC'), name: 'nightly', paths: '/srv', ...change }, null);
  } catch (error) {
    return error instanceof FieldProblems ? error.fields : error;
  }
};

describe("a task's form", () => {
  it('says at its field which pattern could match nothing, and why', () => {
    expect(problemsOf({ excludes: '*.tmp\n#recycle', includes: './x' })).toEqual({
      excludes: '"#recycle": A pattern that begins with # is a comment: write "\\#" for the character itself.',
      includes: '"./x": No path has a name "." in it: write the path without.',
    });
    expect(problemsOf({ excludes: '*.tmp\n\\#recycle' })).toMatchObject({ excludes: ['*.tmp', '\\#recycle'] });
  });
});
