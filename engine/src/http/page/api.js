// The HTTP API, seen from the page, and the stream that says when to ask again.

/** Where the product begins, whatever path a proxy puts before it. */
export const ROOT = new URL("..", import.meta.url);

const BUSY = 503;
const TRIES = 4;
const LONGEST_PAUSE = 30000;
const WATCH = 15000;

export class Failed extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const pause = (time) => new Promise((done) => setTimeout(done, time));

/** Asks for JSON. An engine that is busy is asked again a few times. */
export async function ask(path, { signal, method = "GET", body } = {}) {
  for (let nth = 1; ; nth++) {
    let answer;
    try {
      const headers = body ? { "content-type": "application/json" } : {};
      answer = await fetch(new URL(path, ROOT), { signal, method, headers, body: body && JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failed(0, "The server does not answer.");
    }
    if (answer.status === 204) return null;
    if (answer.ok) return answer.json();
    if (answer.status === BUSY && method === "GET" && nth < TRIES) {
      await pause(400 * nth);
      continue;
    }
    const problem = await answer.json().catch(() => ({}));
    throw new Failed(answer.status, problem.detail ?? `The server answered ${answer.status}.`);
  }
}

/** `name=value&…` of what is set. */
export function query(pairs) {
  const written = new URLSearchParams(Object.entries(pairs).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  const text = written.toString();
  return text ? `?${text}` : "";
}

/**
 * The stream of insights. `told(event)` on each, `changed(state, since)` when it is `live`, `connecting` or `stale`.
 * A connection that is dead and does not say so is found by the status that is asked for beside it.
 */
export class Stream {
  constructor(told, changed) {
    Object.assign(this, { told, changed, state: "connecting", since: Date.now(), wait: 1000 });
    this.open();
    setInterval(() => this.watch(), WATCH);
    addEventListener("online", () => this.again());
    addEventListener("offline", () => this.set("stale"));
  }

  open() {
    this.source?.close();
    this.source = new EventSource(new URL("api/v1/stream", ROOT));
    this.source.onopen = () => {
      this.wait = 1000;
      this.set("live");
    };
    this.source.onerror = () => this.lost();
    this.source.addEventListener("insight", (event) => {
      try {
        this.told(JSON.parse(event.data));
      } catch {
        this.told(null);
      }
    });
    this.source.addEventListener("missed", () => this.told(null));
  }

  /** A stream may end by itself (it has an age): only a second failure means that nobody is there. */
  lost() {
    this.source.close();
    this.set(this.state === "live" ? "connecting" : "stale");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_PAUSE);
  }

  again() {
    clearTimeout(this.timer);
    this.wait = 1000;
    this.open();
  }

  async watch() {
    if (document.hidden) return;
    try {
      const status = await ask("api/v1/status", { signal: AbortSignal.timeout(WATCH - 1000) });
      this.status?.(status);
    } catch (error) {
      if (this.state === "live" && error.status !== BUSY) this.lost();
    }
  }

  set(state) {
    if (state === this.state) return;
    if (state === "live" || this.state === "live") this.since = Date.now();
    this.state = state;
    this.changed(state, this.since);
  }
}
