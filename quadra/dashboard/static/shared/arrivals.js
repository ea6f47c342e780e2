// The last five minutes of arrivals, second by second, on the server's clock. No drawing here.
// A second without a count is 0 while we are connected, and unknown (null) while we are not: a lost
// connection must never look like a quiet one.

export const WINDOW = 300;
// of senders that send every ten seconds, a few seconds would see all or nothing
const RATE_SECONDS = 60;

export class Arrivals {
  #counts = new Map();
  #offset = null;
  #unknownAfter = null;

  /** Server time now, in ms. */
  now() {
    return Date.now() + (this.#offset ?? 0);
  }

  second() {
    return Math.floor(this.now() / 1000);
  }

  /** A whole new window: what we held before, and any gap, is replaced. */
  replace(series, at) {
    this.#offset = at - Date.now();
    this.#unknownAfter = null;
    this.#counts = new Map(series);
  }

  /** The last few seconds again. The message that travelled fastest tells the clock best. */
  merge(series, at) {
    this.#offset = Math.max(this.#offset ?? -Infinity, at - Date.now());
    for (const [second, count] of series) this.#counts.set(second, count);
    const oldest = this.second() - WINDOW - 60;
    for (const second of this.#counts.keys()) if (second < oldest) this.#counts.delete(second);
  }

  lost() {
    this.#unknownAfter ??= this.second();
  }

  get unknownAfter() {
    return this.#unknownAfter;
  }

  at(second) {
    if (this.#offset === null) return null;
    if (this.#unknownAfter !== null && second > this.#unknownAfter) return null;
    return this.#counts.get(second) ?? 0;
  }

  /** [second, count|null] for each second, oldest first; the last one is still running. */
  window() {
    const last = this.second();
    return Array.from({ length: WINDOW }, (_, index) => {
      const second = last - WINDOW + 1 + index;
      return [second, this.at(second)];
    });
  }

  /** Mean of the last minute, as the server reckons it. */
  recentRate() {
    const running = this.second();
    let sum = 0;
    for (let second = running - RATE_SECONDS; second < running; second += 1) sum += this.at(second) ?? 0;
    return sum / RATE_SECONDS;
  }

  summary() {
    const known = this.window().slice(0, -1).map(([, count]) => count).filter((count) => count !== null);
    if (known.length === 0) return { mean: 0, peak: 0 };
    return { mean: known.reduce((sum, count) => sum + count, 0) / known.length, peak: Math.max(...known) };
  }

  /** Half minutes, newest first, for the table. */
  buckets(size = 30) {
    const seconds = this.window();
    const buckets = [];
    for (let start = 0; start < seconds.length; start += size) {
      const known = seconds.slice(start, start + size).filter(([, count]) => count !== null);
      const counts = known.map(([, count]) => count);
      const events = counts.reduce((sum, count) => sum + count, 0);
      buckets.push({
        from: seconds[start][0] * 1000,
        known: counts.length > 0,
        events,
        perSecond: counts.length ? events / counts.length : 0,
        peak: counts.length ? Math.max(...counts) : 0,
      });
    }
    return buckets.reverse();
  }
}
