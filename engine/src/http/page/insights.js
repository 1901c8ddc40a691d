// The list of insights, newest first, Start and End paired; it follows the stream.

import { ask, query, ROOT } from "./api.js";
import { failure, foreign, h, loading, plain, state } from "./dom.js";
import { form, read } from "./filters.js";
import * as words from "./words.js";

const PAGE = 50;

export function mount(main, place) {
  let chosen = read(location.search);
  let known = new Map();
  let pages = 1;
  let asked;
  const summary = h("summary", {});
  const panel = h("details", { class: "filter-panel" }, summary);
  const list = h("div", { class: "insights" }, loading("insights", 8));
  const more = h("div", { class: "more" });
  const counted = h("p", { class: "quiet", id: "counted" });
  panel.append(form(chosen, choose));
  panel.open = matchMedia("(min-width: 60rem)").matches;
  main.append(h("div", { class: "title-row" }, h("h1", {}, "Insights"), counted), panel, list, more);

  function choose(next) {
    chosen = next;
    pages = 1;
    place.remember(query(chosen));
    known = new Map();
    titled();
    list.replaceChildren(loading("insights", 8));
    load();
  }

  function titled() {
    const many = Object.keys(chosen).length;
    summary.textContent = many ? `Filters (${many})` : "Filters";
  }

  async function load() {
    asked?.abort();
    asked = new AbortController();
    try {
      const found = [];
      let cursor = "";
      for (let nth = 0; nth < pages && cursor !== null; nth++) {
        const page = await ask(`api/v1/insights${query({ ...chosen, limit: PAGE, cursor })}`, { signal: asked.signal });
        found.push(...page.insights);
        cursor = page.next;
      }
      render(found, cursor);
    } catch (error) {
      if (error.name === "AbortError") return;
      // What is there stays: the banner says that it may be old.
      if (known.size === 0 || error.status) {
        list.replaceChildren(failure(error, load));
        known = new Map();
        more.replaceChildren();
        counted.textContent = "";
      }
    } finally {
      list.setAttribute("data-loaded", "");
    }
  }

  function render(found, next) {
    const first = known.size === 0;
    const focused = document.activeElement?.closest?.("[data-id]")?.dataset.id;
    const names = new Map(found.map((one) => [one.sharedEventID, one]));
    const now = new Map();
    const groups = [];
    for (const one of found) {
      const record = one.start ?? one.end;
      const label = words.dayInWords(record.eventTime);
      if (groups.at(-1)?.[0] !== label) groups.push([label, []]);
      const mark = `${one.revision}${Boolean(one.end)}${one.muted_by}`;
      const before = known.get(one.sharedEventID);
      const item = before?.mark === mark ? before.item : row(one, names);
      if (!first && before?.mark !== mark) item.classList.add("fresh");
      now.set(one.sharedEventID, { mark, item });
      groups.at(-1)[1].push(item);
    }
    known = now;
    const days = groups.map(([label, items]) => h("section", {}, h("h2", { class: "day" }, label), h("ol", { class: "rows" }, items)));
    list.replaceChildren(...(days.length ? days : [nothing(chosen)]));
    if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus({ preventScroll: true });
    const open = found.filter((one) => !one.end).length;
    counted.textContent = found.length ? `${found.length}${next ? "+" : ""} shown, ${open} open` : "";
    const further = h("button", { type: "button", onclick: () => ((pages += 1), load()) }, "Show older");
    more.replaceChildren(...(next ? [further] : []));
  }

  titled();
  load();
  return { title: "Insights", refresh: load, leave: () => asked?.abort() };
}

function nothing(chosen) {
  if (Object.keys(chosen).length) return state("empty", "No insight matches these filters", h("p", {}, "Names are compared whole: RunInstances, not Run."));
  return state(
    "empty",
    "Nothing unusual so far",
    h("p", {}, "An account is judged in part after 36 hours and fully after seven days. ", h("a", { href: new URL("status", ROOT) }, "How far learning is")),
  );
}

/** One incident. The line through its middle is read as a sentence by a screen reader. */
function row(one, names) {
  const record = one.end ?? one.start;
  const begun = one.start ?? one.end;
  const { insightDetails: details, trailsight: ours = {} } = record;
  const link = h("a", { class: "row-name", href: new URL(`insights/${one.sharedEventID}`, ROOT) }, name(details));
  const where = [words.service(details.eventSource), account(one, record), plain(record.awsRegion)].filter(Boolean);
  return h(
    "li",
    { class: `row level-edge-${ours.sensitivity}`, "data-id": one.sharedEventID },
    h("div", { class: "row-time" }, words.at(begun.eventTime, words.clock(begun.eventTime)), h("span", { class: "quiet" }, length(one))),
    h("div", { class: "row-what" }, h("div", { class: "row-head" }, link, words.badge(ours.sensitivity), chips(one, details, ours, names)), h("div", { class: "quiet row-where" }, where.map((part, nth) => [nth ? " · " : "", part]))),
    h("div", { class: "row-who" }, principals(ours)),
    figures(details, ours),
  );
}

const account = (one, record) => (one.alias ? [foreign(one.alias), " ", foreign(record.recipientAccountId)] : foreign(record.recipientAccountId ?? ""));

function name(details) {
  if (details.eventName === "*") return words.type(details.insightType);
  return [foreign(details.eventName), details.errorCode ? [" ", foreign(details.errorCode, "code")] : ""];
}

function length(one) {
  if (!one.end) return "still open";
  if (!one.start) return "ended";
  const lasted = words.seconds(one.end.eventTime) - words.seconds(one.start.eventTime);
  return `for ${words.lasting(Math.max(lasted, 60))}`;
}

function chips(one, details, ours, names) {
  const chips = [one.end ? h("span", { class: "chip" }, "ended") : h("span", { class: "chip chip-open" }, "open")];
  if (details.insightType !== "ApiCallRateInsight" && details.eventName !== "*") chips.push(h("span", { class: "chip" }, words.type(details.insightType)));
  if (ours.direction === "below") chips.push(h("span", { class: "chip" }, "below normal"));
  if (one.muted_by) chips.push(h("span", { class: "chip" }, "muted by ", foreign(one.muted_by)));
  if (ours.leader) {
    const lead = names.get(ours.leader)?.start?.insightDetails.eventName;
    chips.push(h("span", { class: "chip" }, "part of ", lead && lead !== "*" ? foreign(lead) : "another insight"));
  }
  if (ours.members?.length) chips.push(h("span", { class: "chip" }, `speaks for ${ours.members.length + (ours.membersOmitted ?? 0)} more`));
  return chips;
}

function principals(ours) {
  const first = ours.principals?.[0];
  if (!first) return "";
  const others = ours.principals.length - 1;
  return [foreign(words.who(first.value)), first.new ? h("span", { class: "chip chip-new" }, "new here") : "", others > 0 ? h("span", { class: "quiet" }, ` and ${others} more`) : ""];
}

function figures(details, ours) {
  const { insight, baseline } = details.insightContext.statistics;
  return h(
    "div",
    { class: "row-rate" },
    h("span", { class: "big" }, words.rate(insight.average)),
    h("span", { class: "quiet" }, " /min"),
    h("div", { class: "quiet" }, ours.direction === "below" ? "below " : "normal ", words.rate(Math.max(baseline.average, ours.expected ?? 0)), " /min"),
  );
}
