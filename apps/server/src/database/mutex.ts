/** Runs one piece of work at a time, in the order of the calls. */
export class Mutex {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    // The next one waits for the end of this one, however it ends.
    this.last = result.catch(() => undefined);
    return result;
  }
}
