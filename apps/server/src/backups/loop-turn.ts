/**
 * Lets the event loop turn. On SQLite a statement is over when it returns: a loop that awaits nothing else goes on without a turn,
 * and whoever asks the server for something waits until its end.
 */
export function loopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
