// Every API that is watched: what came in its newest minute, what was expected, how the last hours went.

import { ask, query, ROOT } from "./api.js";
import { failure, foreign, h, loading, state, svg } from "./dom.js";
import * as words from "./words.js";

const PAGE = 50;
const SORTS = [["unusual", "most unusual first"], ["calls", "most calls first"], ["name", "by name"]];
const RECENT = [["60", "48 minutes"], ["300", "4 hours"], ["3600", "2 days"]];

export function mount(main, place) {
  const given = new URLSearchParams(location.search);
  let chosen = { search: given.get("search") ?? "", sort: one(SORTS, given.get("sort")) ?? "unusual", recent: one(RECENT, given.get("recent")) ?? "300" };
  let found = [];
  let asked;
  let next = null;
  const list = h("div", {}, loading("the watched APIs", 10));
  const more = h("div", { class: "more" });
  const counted = h("p", { class: "quiet" });
  main.append(h("div", { class: "title-row" }, h("h1", {}, "Watched APIs"), counted), controls(), list, more);

  function controls() {
    const search = h("input", { type: "search", id: "search", name: "search", maxlength: 256, placeholder: "API, account, Region, error", "data-search": true, autocomplete: "off", spellcheck: "false" });
    search.value = chosen.search;
    const select = (name, options) => {
      const control = h("select", { id: name, name }, options.map(([value, label]) => h("option", { value }, label)));
      control.value = chosen[name];
      return control;
    };
    const form = h(
      "form",
      { class: "filters", role: "search", "aria-label": "Search" },
      h("div", { class: "field grow" }, h("label", { for: "search" }, "Search"), search),
      h("div", { class: "field" }, h("label", { for: "sort" }, "Order"), select("sort", SORTS)),
      h("div", { class: "field" }, h("label", { for: "recent" }, "Picture of"), select("recent", RECENT)),
    );
    let due;
    const changed = () => {
      chosen = Object.fromEntries(["search", "sort", "recent"].map((name) => [name, form.elements[name].value.trim()]));
      const written = { ...chosen, sort: chosen.sort === "unusual" ? "" : chosen.sort, recent: chosen.recent === "300" ? "" : chosen.recent };
      place.remember(query(written));
      load();
    };
    form.addEventListener("input", () => {
      clearTimeout(due);
      due = setTimeout(changed, 250);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(due);
      changed();
    });
    return form;
  }

  async function load(cursor) {
    asked?.abort();
    asked = new AbortController();
    list.removeAttribute("data-loaded");
    try {
      const page = await ask(`api/v1/series${query({ ...chosen, limit: PAGE, cursor })}`, { signal: asked.signal });
      found = cursor ? [...found, ...page.series] : page.series;
      next = page.next;
      render();
    } catch (error) {
      if (error.name !== "AbortError" && (!found.length || error.status)) list.replaceChildren(failure(error, () => load()));
    } finally {
      list.setAttribute("data-loaded", "");
    }
  }

  function render() {
    counted.textContent = found.length ? `${words.count(found.length)}${next ? "+" : ""} shown, minute of ${found[0].minute.slice(0, 16).replace("T", " ")} UTC` : "";
    const further = h("button", { type: "button", onclick: () => load(next) }, "Show more");
    more.replaceChildren(...(next ? [further] : []));
    list.replaceChildren(found.length ? table(found, chosen.recent) : nothing());
  }

  const nothing = () => chosen.search
    ? state("empty", "No watched API has this in its name", h("p", {}, "The search looks at account, Region, source, name and error code."))
    : state("empty", "No API is watched yet", h("p", {}, "Each appears with its first record. ", h("a", { href: new URL("status", ROOT) }, "What the sources say")));

  load();
  return { title: "Watched APIs", refresh: () => found.length <= PAGE && load(), leave: () => asked?.abort() };
}

const one = (options, value) => options.map(([name]) => name).find((name) => name === value);

function table(found, recent) {
  const names = ["API", "Account", RECENT.find(([value]) => value === recent)[1], "Last minute", "Expected", "Unusual from (high, medium, low)", "Last call"];
  const head = h("tr", { role: "row" }, names.map((name) => h("th", { scope: "col", role: "columnheader" }, name)));
  const body = found.map((series) => h(
    "tr",
    { "data-id": series.id, role: "row" },
    h("th", { scope: "row", role: "rowheader", class: "api" }, h("a", { href: new URL(`watched/${series.id}`, ROOT) }, foreign(series.name)), series.error_code ? [" ", foreign(series.error_code, "code")] : "", series.open ? [" ", words.badge(series.open)] : "", h("div", { class: "quiet" }, words.service(series.source))),
    h("td", { role: "cell", "data-label": "Account" }, foreign(series.account), h("div", { class: "quiet" }, foreign(series.region))),
    h("td", { role: "cell", class: "spark" }, sparkline(series.recent ?? [])),
    h("td", { role: "cell", class: "number", "data-label": "Last minute" }, words.short(series.observed)),
    h("td", { role: "cell", class: "number", "data-label": "Expected" }, words.rate(series.expected)),
    h("td", { role: "cell", class: "number", "data-label": "Unusual from" }, ["high", "medium", "low"].map((level, nth) => [nth ? " · " : "", h("span", { class: `text-${level}` }, series.thresholds[level] ?? "–")])),
    h("td", { role: "cell", "data-label": "Last call" }, words.at(series.last_call)),
  ));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Watched APIs" }, h("table", { class: "watched", role: "table" }, h("caption", { class: "unseen" }, "Watched APIs"), h("thead", { role: "rowgroup" }, head), h("tbody", { role: "rowgroup" }, body)));
}

/** Calls by time, largest at the top; the label says what a picture of 90 pixels can say. */
function sparkline(calls) {
  const [width, height] = [96, 24];
  const most = Math.max(...calls, 0);
  const label = calls.length ? `between ${Math.min(...calls)} and ${most} calls` : "no history";
  const drawn = svg("svg", { class: "sparkline", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  if (!calls.length || most === 0) {
    drawn.append(svg("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1 }));
    return drawn;
  }
  const each = width / calls.length;
  const path = calls.map((many, nth) => {
    const top = height - 1 - (many / most) * (height - 3);
    return `${nth ? "L" : "M"}${(nth * each).toFixed(1)} ${top.toFixed(1)}H${((nth + 1) * each).toFixed(1)}`;
  }).join("");
  drawn.append(svg("path", { class: "area", d: `${path}V${height - 1}H0Z` }), svg("path", { d: path }));
  return drawn;
}
