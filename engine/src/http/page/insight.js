// One insight: its picture, who did it, what became of it, and the record.

import { ask, Failed, query, ROOT } from "./api.js";
import { copies, failure, foreign, h, json, keepsFocus, loading, plain } from "./dom.js";
import { attributions, deliveries, members, newcomers, recommendations } from "./evidence.js";
import * as mute from "./mute.js";
import { columns, plot, table } from "./plot.js";
import * as words from "./words.js";

const DAY = 86400;
const AROUND = [["1 h", 3600], ["6 h", 6 * 3600], ["24 h", DAY]];
/** Points of one answer are 1,500 at the most. */
const POINTS = 1440;
const PERIODS = [60, 300, 3600];

export function mount(main, place, id) {
  let view;
  let around = AROUND[0][1];
  let picture;
  let decided = true;
  const asked = new AbortController();
  const page = { title: "Insight", refresh: load, leave };
  const body = h("div", {}, h("h1", {}, "Insight"), loading("the insight", 10));
  main.append(body);

  async function load() {
    try {
      const found = await ask(`api/v1/insights/${encodeURIComponent(id)}`, { signal: asked.signal });
      // Whoever is typing is not interrupted; the next news shows it.
      const typing = body.contains(document.activeElement) && document.activeElement.form;
      if (view && (typing || JSON.stringify(found) === JSON.stringify(view))) return;
      view = found;
      render();
    } catch (error) {
      if (error.name !== "AbortError" && !(view && error.status === 0)) body.replaceChildren(h("h1", {}, "Insight"), failure(error, load));
    }
  }

  function render() {
    const record = view.insight.end ?? view.insight.start;
    const held = h("div", { class: "picture-place" }, loading("the picture", 5));
    keepsFocus(body, () => body.replaceChildren(...head(view, record), pictureCard(held), evidence(view, record, asked.signal)));
    document.title = `${plain(record.insightDetails.eventName)} · Trailsight`;
    draw(held, record);
  }

  function pictureCard(held) {
    const choices = AROUND.map(([label, seconds]) => {
      const button = h("button", { type: "button", "aria-pressed": String(seconds === around) }, label);
      button.addEventListener("click", () => {
        around = seconds;
        for (const each of button.parentElement.querySelectorAll("button")) each.setAttribute("aria-pressed", String(each === button));
        draw(held, view.insight.end ?? view.insight.start);
      });
      return button;
    });
    const group = h("div", { class: "tools", role: "group", "aria-label": "How much before and after" }, h("span", { class: "quiet" }, "Before and after"), choices);
    return h("section", { class: "card", "aria-labelledby": "picture-title" }, h("div", { class: "card-head" }, h("h2", { id: "picture-title" }, "Calls by the minute"), group), held);
  }

  async function draw(held, record) {
    try {
      const begin = words.seconds((view.insight.start ?? record).eventTime);
      const end = view.insight.end ? words.seconds(view.insight.end.eventTime) : null;
      const series = record.trailsight?.series ?? "";
      const points = await pointsOf(series, begin, end, around, view, asked.signal);
      const last = points.length ? words.seconds(points.at(-1).minute) + points.at(-1).seconds : begin + 60;
      const then = record.trailsight?.thresholds;
      const known = then && Object.values(then).some((each) => each !== null);
      const data = columns(decided && known ? points.map((point) => ({ ...point, thresholds: then })) : points);
      const errors = record.insightDetails.insightType !== "ApiCallRateInsight";
      const unit = errors && record.insightDetails.errorCode ? "errors a minute" : "calls a minute";
      const label = `${unit} from ${words.at(points[0].minute).textContent} UTC on: at most ${words.rate(Math.max(...data[1]))}, where ${words.rate(Math.max(0, ...data[2].filter((value) => value !== null)))} at most was expected. Arrow keys move, plus and minus zoom.`;
      picture?.leave();
      picture = plot(data, { unit, label, incident: { begin, end: Math.max(end ?? last, begin + 60) } });
      held.replaceChildren(picture.element, known ? levels(held, record) : "", note(points, decided && known), table(data, `Observed, expected and thresholds, ${unit}`));
    } catch (error) {
      if (error.name !== "AbortError") held.replaceChildren(failure(error, () => draw(held, record)));
    }
  }

  /** A level has one threshold when it speaks, and another once what happened has been learned. */
  function levels(held, record) {
    const choices = [[true, "when it was decided"], [false, "by the baseline of now"]].map(([value, label]) => {
      const button = h("button", { type: "button", "aria-pressed": String(value === decided) }, label);
      button.addEventListener("click", async () => {
        decided = value;
        await draw(held, record);
        held.querySelector(".levels [aria-pressed='true']")?.focus();
      });
      return button;
    });
    return h("div", { class: "tools levels", role: "group", "aria-label": "Levels" }, h("span", { class: "quiet" }, "Levels"), choices);
  }

  function leave() {
    asked.abort();
    picture?.leave();
  }

  load();
  return page;
}

/** The minutes around an incident. Where its series is not watched any more, what was kept of it is shown. */
async function pointsOf(series, begin, end, around, view, signal) {
  const since = begin - around;
  const until = Math.min((end ?? Math.floor(Date.now() / 1000)) + around, since + POINTS * 3600);
  const period = PERIODS.find((each) => (until - since) / each <= POINTS) ?? 3600;
  const times = { since: time(since), until: time(until), period };
  try {
    const answer = await ask(`api/v1/series/${encoded(series)}/minutes${query(times)}`, { signal });
    const newest = words.seconds(answer.series.minute);
    const points = answer.minutes.filter((point) => words.seconds(point.minute) <= newest);
    if (points.length) return points;
  } catch (error) {
    if (!(error instanceof Failed) || error.status !== 404) throw error;
  }
  return kept(view.minutes, begin, end, around);
}

function kept(minutes, begin, end, around) {
  const calls = new Map(minutes.map((minute) => [words.seconds(minute.minute), minute.calls]));
  const last = Math.max((end ?? begin) + 60, ...calls.keys());
  const from = begin - Math.min(around, 3600);
  const many = Math.min(Math.ceil((last - from) / 60) + 1, POINTS);
  return Array.from({ length: many }, (_, nth) => ({ minute: time(from + nth * 60), seconds: 60, observed: calls.get(from + nth * 60) ?? 0, expected: null, thresholds: null }));
}

const time = (seconds) => new Date(seconds * 1000).toISOString().replace(".000", "");
const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function note(points, decided) {
  const levels = decided
    ? "The levels are those of the deciding window, in calls a minute: from there on each spoke."
    : "The levels are what the baseline of now would find unusual in one minute alone.";
  const text = points.some((point) => point.expected !== null)
    ? `Expected is what the baseline of now says of each minute. ${levels}`
    : "This is not watched by the minute as one API is: only what came is kept.";
  return h("p", { class: "quiet note" }, text);
}

function head(view, record) {
  const { insightDetails: details, trailsight: ours = {} } = record;
  const { insight } = view;
  const begun = insight.start ?? record;
  const title = details.eventName === "*" ? words.type(details.insightType) : [foreign(details.eventName), details.errorCode ? [" ", foreign(details.errorCode, "code")] : ""];
  const share = h("div", { class: "tools" }, copies("Copy link", () => location.origin + location.pathname));
  return [
    h("p", { class: "trail" }, h("a", { href: ROOT }, "Insights"), " / ", h("span", {}, plain(insight.sharedEventID))),
    h("div", { class: "title-row" }, h("h1", {}, title), h("div", { class: "row-head" }, words.badge(ours.sensitivity), stateChip(insight)), share),
    h("p", { class: "quiet" }, words.service(details.eventSource), " · ", foreign(record.recipientAccountId ?? ""), insight.alias ? [" (", foreign(insight.alias), ")"] : "", " · ", foreign(record.awsRegion), " · ", words.type(details.insightType)),
    h("p", { class: "sentence" }, sentence(insight, details, ours, begun)),
    h("dl", { class: "tiles" }, tiles(insight, details, ours, begun).map(([name, value, more]) => h("div", {}, h("dt", {}, name), h("dd", {}, h("span", { class: "big" }, value), more && h("span", { class: "quiet" }, more))))),
  ];
}

function stateChip(insight) {
  const chips = [insight.end ? h("span", { class: "chip" }, "ended") : h("span", { class: "chip chip-open" }, "open")];
  if (insight.muted_by) chips.push(h("span", { class: "chip" }, "muted by ", foreign(insight.muted_by)));
  return chips;
}

function sentence(insight, details, ours, begun) {
  const { insight: now, baseline } = details.insightContext.statistics;
  const unit = details.errorCode ? "errors" : "calls";
  const many = `${words.rate(now.average)} ${unit} a minute`;
  const usual = `${words.rate(baseline.average)} in the week before`;
  const ended = insight.end ? ` It ended at ${words.clock(insight.end.eventTime)} (${words.endReason(ours.endReason)}).` : " It is still going on.";
  return `From ${words.day(begun.eventTime)} ${words.clock(begun.eventTime)} UTC on: ${many}, against ${usual}.${ended}`;
}

function tiles(insight, details, ours, begun) {
  const delay = words.seconds(begun.trailsight?.detectedAt ?? begun.eventTime) - words.seconds(begun.eventTime);
  const tiles = [
    ["Observed", words.rate(ours.observed), " a minute, when it was decided"],
    ["Expected", words.rate(ours.expected), " a minute there"],
    ["By chance", `${words.rate(ours.chancePerWeek)} ×`, " a week in this account"],
    ["Found by", "", words.test(ours.test)],
  ];
  if (delay >= 0 && delay < DAY) tiles.push(["Told after", words.lasting(delay), insight.revision ? ` at this level, revision ${insight.revision}` : ""]);
  return tiles;
}

function evidence(view, record, signal) {
  const { insightDetails: details, trailsight: ours = {} } = record;
  return h(
    "div",
    { class: "evidence" },
    why(view),
    newcomers(ours),
    attributions(details),
    members(ours),
    recommendations(ours),
    history(view),
    deliveries(view),
    mute.card(record, signal),
    raw(view),
  );
}

/** What the engine says of its decision. */
function why(view) {
  const said = view.explanation ?? [];
  return said.length > 0 && h("section", { class: "card" }, h("h2", {}, "Why"), said.map((sentence) => h("p", {}, foreign(sentence))));
}

/** How the level rose. */
function history(view) {
  const items = view.records.map((record) => {
    const { trailsight: ours = {}, insightDetails: details } = record;
    const what = details.state === "End" ? `ended, ${words.endReason(ours.endReason)}` : `${words.rate(ours.observed)} a minute, ${words.test(ours.test)}`;
    return h("li", {}, words.at(ours.detectedAt ?? record.eventTime), " ", words.badge(ours.sensitivity), ` ${what}`);
  });
  return h("section", { class: "card" }, h("h2", {}, "What was told, and when"), h("ol", { class: "history" }, items));
}

function raw(view) {
  const text = json(view.records.length === 1 ? view.records[0] : view.records);
  const pre = h("pre", { tabindex: "0", role: "region", "aria-label": "The records as JSON" }, text);
  const command = `trailsight insights show ${view.insight.sharedEventID}`;
  return h(
    "section",
    { class: "card wide" },
    h("div", { class: "card-head" }, h("h2", {}, "Raw record"), h("div", { class: "tools" }, copies("Copy record", () => text), copies("Copy command", () => command))),
    h("p", { class: "quiet" }, h("code", {}, command)),
    pre,
  );
}
