import { type Transferable, Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * A thread that answers each message with one, in order. One that is waited for keeps the process alive, and no other. When it
 * ends, however that comes, all that it has not answered is rejected with the cause, and so is what it is asked later.
 */
export class AnsweringThread<Question, Answer> {
  private readonly worker: Worker;
  /** What it has not answered, oldest first. */
  private readonly waiting: PromiseWithResolvers<Answer>[] = [];
  private cause: Error | null = null;

  /** `work` is for people: "a thread that <work> ended". */
  constructor(file: string, work: string, options: WorkerOptions) {
    this.worker = new Worker(file, options);
    this.worker.on('message', (answer: Answer) => {
      this.waiting.shift()?.resolve(answer);
      if (this.waiting.length === 0) this.worker.unref();
    });
    this.worker.on('error', (error: Error) => {
      this.ended(error);
    });
    this.worker.on('messageerror', (error: Error) => {
      // Answers could be taken for others' now.
      this.ended(error);
      void this.worker.terminate();
    });
    this.worker.on('exit', (code) => {
      this.ended(new Error(`a thread that ${work} ended with code ${code}`));
    });
  }

  get hasEnded(): boolean {
    return this.cause !== null;
  }

  /** How many answers are waited for. */
  get length(): number {
    return this.waiting.length;
  }

  /** `moved`: memory that is the thread's from here on. Throws at once when the question cannot be sent, which changes nothing. */
  ask(question: Question, moved: readonly Transferable[] = []): Promise<Answer> {
    if (this.cause !== null) return Promise.reject(this.cause);
    // First: what cannot be sent is answered by nobody, and the answers come without names.
    this.worker.postMessage(question, moved);
    const answer = Promise.withResolvers<Answer>();
    this.waiting.push(answer);
    this.worker.ref();
    return answer.promise;
  }

  /** Whatever it is at: what it has not answered is rejected. */
  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private ended(cause: Error): void {
    this.cause ??= cause;
    for (const { reject } of this.waiting.splice(0)) reject(cause);
  }
}
