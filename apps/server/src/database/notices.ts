/** What notices are about; each has listeners of its own. Those of a client tell its number first. */
export type NoticeTopic = 'commands' | 'progress' | 'log-level' | 'config';

export interface NoticeListener {
  /** A write that told this was committed, by this server or by another one. */
  onNotice(message: string): void;
  /** Notices may have been lost: look for yourself. */
  onGap(): void;
}

/** Listeners of this process, by topic. */
export class NoticeListeners {
  private readonly listeners = new Map<NoticeTopic, Set<NoticeListener>>();

  /** Returns what ends it. */
  add(topic: NoticeTopic, listener: NoticeListener): () => void {
    const known = this.listeners.get(topic) ?? new Set();
    known.add(listener);
    this.listeners.set(topic, known);
    return () => {
      known.delete(listener);
    };
  }

  tell(topic: NoticeTopic, message: string): void {
    for (const listener of this.listeners.get(topic) ?? []) listener.onNotice(message);
  }

  tellGap(): void {
    for (const known of this.listeners.values()) for (const listener of known) listener.onGap();
  }
}
