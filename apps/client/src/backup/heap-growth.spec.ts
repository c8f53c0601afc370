import * as v8 from 'node:v8';
import { keepHeapSmall } from './heap-growth';

jest.mock('node:v8', () => ({ setFlagsFromString: jest.fn() }));

describe('The limit on how far the heap grows', () => {
  it('is set by the first backup and taken back by the last one, once each', () => {
    const flags = jest.mocked(v8.setFlagsFromString);
    const endFirst = keepHeapSmall();
    const endSecond = keepHeapSmall();
    endFirst();
    endFirst();
    expect(flags.mock.calls).toEqual([['--heap-growing-percent=100']]);
    endSecond();
    expect(flags.mock.calls).toEqual([['--heap-growing-percent=100'], ['--heap-growing-percent=0']]);
  });
});
