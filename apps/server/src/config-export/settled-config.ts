/** Whoever takes something from somebody (an account, a client, a secret) waits here before he says that it is done. */
export abstract class SettledConfig {
  /**
   * Resolves when storage knows all that was committed before this call. Rejects with `storage-unavailable` when it could
   * not be told: the change stands in the database, and the call may be repeated.
   */
  abstract settle(): Promise<void>;
}
