// Sources and how late they are, how far time has come, memory against its bound, what waits, learning by account.

import { ask } from "./api.js";
import * as mute from "./mute.js";
import { failure, foreign, h, loading, plain, state } from "./dom.js";
import * as words from "./words.js";

const EVERY = 5000;

export function mount(main) {
  const body = h("div", {}, loading("the status", 10));
  const asked = new AbortController();
  let shown = false;
  main.append(h("div", { class: "title-row" }, h("h1", {}, "Status")), body);

  async function load() {
    if (document.hidden) return;
    try {
      const [status, mutes] = await Promise.all(["status", "mutes"].map((what) => ask(`api/v1/${what}`, { signal: asked.signal })));
      render(status, mutes);
    } catch (error) {
      if (error.name !== "AbortError" && (!shown || error.status)) body.replaceChildren(failure(error, load));
    }
  }

  function render(status, mutes) {
    shown = true;
    const focused = document.activeElement?.getAttribute?.("aria-label");
    body.replaceChildren(problems(status), tiles(status), sources(status), sinks(status), muted(mutes), learning(status), records(status));
    if (focused && focused !== "Pages") [...body.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === focused)?.focus({ preventScroll: true });
  }

  const muted = (mutes) => section("Mutes", ["Mute", "What", "Why", "Whom to ask", "Until", "Made"], mute.rows(mutes, load), "Nothing is muted");
  const timer = setInterval(load, EVERY);
  load();
  const leave = () => {
    clearInterval(timer);
    asked.abort();
  };
  return { title: "Status", refresh: load, leave };
}

function problems({ problems }) {
  if (!problems.length) return h("p", { class: "fine" }, h("span", { class: "dot", "aria-hidden": "true" }), "Nothing needs attention.");
  return h("section", { class: "card problems", "aria-labelledby": "problems" }, h("h2", { id: "problems" }, "Needs attention"), h("ul", {}, problems.map((problem) => h("li", {}, plain(problem)))));
}

function tiles(status) {
  const late = status.watermark ? Math.max(0, Date.now() / 1000 - words.seconds(status.watermark)) : null;
  const outbox = status.sinks.reduce((sum, sink) => sum + sink.outbox_rows, 0);
  return h(
    "dl",
    { class: "tiles" },
    tile("Judged through", status.watermark ? words.at(status.watermark, words.clock(status.watermark)) : "–", late === null ? "no record has come" : `${words.day(status.watermark)} UTC${late > 0 ? `, ${words.lasting(late)} ago` : ""}`),
    tile("Memory of state", words.bytes(status.memory.state_bytes), `of ${words.bytes(status.memory.limit_bytes)} at most`, [status.memory.state_bytes, status.memory.limit_bytes]),
    tile("Watched series", words.count(status.series.active), `of ${words.count(status.series.limit)} at most${status.series.evicted ? `, ${words.count(status.series.evicted)} evicted` : ""}`, [status.series.active, status.series.limit]),
    tile("Outbox", words.count(outbox), outbox === 1 ? "insight waits" : "insights wait"),
    tile("Journal", words.bytes(status.journal.bytes), `${words.count(status.journal.entries)} entries kept, ${words.count(status.journal.last)} written`),
    tile("Running since", words.at(status.started_at, words.clock(status.started_at)), `${words.day(status.started_at)} UTC, version ${plain(status.version)}`),
  );
}

function tile(name, value, more, [held, most] = []) {
  const meter = most && h("meter", { min: 0, max: most, high: most * 0.8, value: held, "aria-label": `${name}: ${Math.round((100 * held) / most)} % of the bound` });
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "big" }, value), h("span", { class: "quiet" }, more), meter));
}

function section(title, names, rows, empty) {
  const head = h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)));
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows)));
  return h("section", { class: "card" }, h("h2", {}, title), rows.length ? table : state("empty", empty));
}

const first = (text) => h("th", { scope: "row" }, foreign(text));
const number = (value) => h("td", { class: "number" }, value);

function sources({ sources }) {
  const rows = sources.map((source) => {
    const how = source.paused ? ["waits for the engine", "warn"] : source.caught_up ? ["caught up", "good"] : ["reading", ""];
    return h("tr", {}, first(source.name), h("td", {}, plain(source.type)), h("td", {}, h("span", { class: `chip ${how[1]}` }, how[0])), number(source.lag_seconds === null ? "–" : words.lasting(source.lag_seconds)), h("td", {}, words.at(source.newest_event_time)), number(words.count(source.waiting)), number(source.partitions ?? "–"));
  });
  return section("Sources", ["Source", "Type", "State", "Late by", "Newest event", "Waiting", "Partitions"], rows, "No source is configured");
}

function sinks({ sinks }) {
  const rows = sinks.map((sink) => h("tr", {}, first(sink.name), number(words.count(sink.outbox_rows)), number(sink.oldest_seconds === null ? "–" : words.lasting(sink.oldest_seconds)), h("td", {}, sink.last_error ? h("span", { class: "bad" }, foreign(sink.last_error)) : "–")));
  return section("Sinks and outbox", ["Sink", "Waiting", "Oldest waits for", "Last error"], rows, "No sink is configured: insights are kept in the history only");
}

const STAGES = { learning: "learning: nothing is raised yet", provisional: "only what is unusual beyond doubt", full: "full sensitivity" };

function learning({ learning }) {
  const rows = learning.map((account) => {
    const share = Math.round(account.progress * 100);
    return h("tr", {}, first(account.account), h("td", {}, STAGES[account.stage] ?? plain(account.stage)), h("td", {}, h("meter", { min: 0, max: 1, value: account.progress, "aria-label": `${plain(account.account)}: ${share} % learned` }), ` ${share} %`), h("td", {}, words.at(account.since)), h("td", {}, words.at(account.full_at)));
  });
  return section("Learning by account", ["Account", "Raises", "Learned", "Since", "Full at"], rows, "No account has been seen yet");
}

const OUTCOMES = [["counted", "counted"], ["duplicate", "seen before"], ["not_analysed", "not analysed"], ["dead_letter", "not understood"]];

function records({ records, data_dir }) {
  const items = OUTCOMES.map(([key, label]) => h("div", {}, h("dt", {}, label), h("dd", {}, words.count(records[key]))));
  return h("section", { class: "card" }, h("h2", {}, "Records"), h("dl", { class: "records" }, items), h("p", { class: "quiet" }, "Since the data directory ", h("code", {}, plain(data_dir)), " was created."));
}
