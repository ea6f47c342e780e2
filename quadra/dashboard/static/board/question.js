// One question of a page: asked again when what is asked has changed, and quietly while the page is live. A newer question
// ends the older one. Whoever shows the answer is told: loading, then the answer, or what went wrong. The answer comes first, what it
// is compared with after it, so that nobody waits for both.

/** What an answer says of its making. */
const MEASURES = ['computed_at', 'elapsed_ms', 'rows_read'];

/** States: 'idle' (nothing to ask), 'loading', 'ready', 'failed'. A quiet failure keeps the answer and says `stale`. */
export class Question {
  #hear = [];
  #ended = null;
  #signature = null;
  #facts = null;
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
      const ask = (key, how) => this.board.source.ask(key, asked[key], ended.signal, how);
      const beside = `${this.key}-before`;
      const compares = beside in asked && this.board.source.has(beside);
      const first = ask(this.key);
      const second = compares ? ask(beside, { later: true }) : null;
      second?.catch(() => {}); // it is waited for below, unless the first one fails
      const answer = await first;
      if (ended.signal.aborted) return;
      this.#found(answer, compares ? (same ? this.before : null) : this.earlier(answer), same);
      if (!compares) return;
      const before = await second;
      if (ended.signal.aborted) return;
      this.#found(answer, before, same);
    } catch (error) {
      if (ended.signal.aborted) return;
      ended.abort();
      this.error = error;
      this.stale = this.state === 'ready';
      this.#become(this.stale ? 'ready' : 'failed');
    }
  }

  /** Whoever shows it is told only of what has changed; a minute is a change: which period runs now is drawn, too. */
  #found(answer, before, same) {
    const facts = JSON.stringify([answer, before, new Date().toISOString().slice(0, 16)], (name, value) => (MEASURES.includes(name) ? undefined : value));
    const known = same && this.state === 'ready' && !this.stale && facts === this.#facts;
    Object.assign(this, { answer, before, error: null, stale: false });
    this.#facts = facts;
    if (!known) this.#become('ready');
  }

  #become(state) {
    this.state = state;
    for (const hear of this.#hear) hear(this);
  }
}
