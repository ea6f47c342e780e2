// One question of a page: asked again when what is asked has changed, and quietly while the page is live. A newer question
// ends the older one. Whoever shows the answer is told: loading, then the answer, or what went wrong. The answer comes first, what it
// is compared with after it, so that nobody waits for both.

/** States: 'idle' (nothing to ask), 'loading', 'ready', 'failed'. A quiet failure keeps the answer and says `stale`. */
export class Question {
  #hear = [];
  #ended = null;
  #signature = null;
  state = 'loading';
  answer = null;
  before = null;
  error = null;
  stale = false;

  /**
   * `make(common)` gives {lens, params}, or null where nothing can be asked yet; `common` are the range, filters and bots.
   * With `compare` the same is asked of the time before, where the page compares. `earlier(answer)` finds it in the answer of a
   * lens that has it there, or null. A `still` one is not asked again only because something arrived: it is dear, and changes slowly.
   */
  constructor(board, key, make, { compare = false, earlier = () => null, still = false } = {}) {
    this.board = board;
    this.key = key;
    this.make = make;
    this.compare = compare;
    this.earlier = earlier;
    this.still = still;
  }

  /** Whether it can be asked here at all: a shared page has the questions that were saved with it. */
  get offered() {
    return this.board.source.has(this.key);
  }

  on(hear) {
    this.#hear.push(hear);
    return this;
  }

  /** key -> {lens, params} of everything that would be asked now. */
  asked() {
    const now = this.make(this.board.common());
    if (!now) return {};
    const compares = this.compare && this.board.compares;
    return { [this.key]: now, ...(compares ? { [`${this.key}-before`]: this.make(this.board.common(true)) } : {}) };
  }

  async refresh({ quiet = false, again = false } = {}) {
    if (quiet && this.still && this.state !== 'failed') return;
    const asked = this.asked();
    const signature = JSON.stringify(asked[this.key] ?? null) + Object.keys(asked).length;
    const same = signature === this.#signature;
    if (same && !quiet && !again && this.state !== 'failed') return;
    if (quiet && this.state === 'loading' && same) return;
    this.#ended?.abort();
    this.#signature = signature;
    if (!asked[this.key] || !this.offered) {
      this.#become('idle');
      return;
    }
    const ended = new AbortController();
    this.#ended = ended;
    if (!(quiet && this.state === 'ready' && same)) this.#become('loading');
    try {
      const ask = (key) => this.board.source.ask(key, asked[key], ended.signal);
      const beside = `${this.key}-before`;
      const compares = beside in asked && this.board.source.has(beside);
      const answer = await ask(this.key);
      if (ended.signal.aborted) return;
      this.answer = answer;
      this.before = !compares ? this.earlier(answer) : same ? this.before : null;
      this.error = null;
      this.stale = false;
      this.#become('ready');
      if (!compares) return;
      const before = await ask(beside);
      if (ended.signal.aborted) return;
      this.before = before;
      this.#become('ready');
    } catch (error) {
      if (ended.signal.aborted) return;
      ended.abort();
      this.error = error;
      this.stale = this.state === 'ready';
      this.#become(this.stale ? 'ready' : 'failed');
    }
  }

  #become(state) {
    this.state = state;
    for (const hear of this.#hear) hear(this);
  }
}
