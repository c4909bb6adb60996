// One connection for events, opened again whenever it ends, is refused, or says nothing for long.

const SILENT_AFTER_MS = 10_000, AGAIN_AFTER_MS = 4_000, AGAIN_SPREAD_MS = 2_000;

export class Stream {
  /** `take` gets the data of each event. */
  constructor(path, take) {
    Object.assign(this, { path, take, source: null, retry: 0, heardAt: performance.now() });
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.source?.close();
    this.openedAt = performance.now();
    const source = this.source = new EventSource(this.path);
    source.addEventListener("figures", ({ data }) => {
      this.heardAt = performance.now();
      this.take(data);
    });
    source.addEventListener("error", () => {
      // Refused, not interrupted: the browser does not try that again by itself. Not all pages at the same moment.
      if (source !== this.source || source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.connect(), AGAIN_AFTER_MS + AGAIN_SPREAD_MS * Math.random());
    });
  }

  /** Whether nothing has come for long; then it is opened anew. A connection may be dead without saying so: after sleep, or
   *  in another network. */
  reopenIfSilent() {
    const now = performance.now(), silent = now - this.heardAt > SILENT_AFTER_MS;
    if (silent && now - this.openedAt > SILENT_AFTER_MS) this.connect();
    return silent;
  }
}
