export const WHOLE = 'whole backup';

/** How long calls took, by name, in milliseconds. */
export class Latencies {
  #took = new Map();
  errors = new Map();

  timed = async (name, work) => {
    const begunAt = performance.now();
    const result = await work();
    this.add(name, performance.now() - begunAt);
    return result;
  };

  add(name, ms) {
    const list = this.#took.get(name) ?? [];
    if (list.length === 0) this.#took.set(name, list);
    list.push(ms);
  }

  failed = (error) => {
    const text = String(error.message ?? error).slice(0, 120);
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
  };

  /** Of calls: a whole backup is made of such that are counted. */
  get count() {
    return this.names().reduce((sum, name) => sum + (name === WHOLE ? 0 : this.#took.get(name).length), 0);
  }

  /** Of one name, or of all calls. */
  summary(name) {
    const list = name === undefined ? [...this.#took.values()].flat() : (this.#took.get(name) ?? []);
    const sorted = Float64Array.from(list).sort();
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
    return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) };
  }

  names() {
    return [...this.#took.keys()];
  }
}
