import { HANG_UP_IGNORED, onHangUp, outlivesTerminal } from './hang-up';

describe('onHangUp', () => {
  it.each([
    [false, 1],
    [true, 0],
  ])('where the terminal is outlived (%s) ends %i', (isOutlived, ends) => {
    const before = process.listenerCount('SIGHUP');
    const end = jest.fn();
    const undo = onHangUp(isOutlived, end);
    process.emit('SIGHUP');
    expect(process.listenerCount('SIGHUP')).toBe(before + 1);
    undo();
    expect(process.listenerCount('SIGHUP')).toBe(before);
    expect(end).toHaveBeenCalledTimes(ends);
  });

  it('goes by what the launchers tell', () => {
    expect(outlivesTerminal({ [HANG_UP_IGNORED]: '1' })).toBe(true);
    expect(outlivesTerminal({})).toBe(false);
  });
});
