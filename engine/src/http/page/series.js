// One watched API: the last day by the minute, or more of it by five minutes and by the hour.

import { ask, query, ROOT } from "./api.js";
import { failure, foreign, h, keepsFocus, loading } from "./dom.js";
import { columns, plot, table } from "./plot.js";
import * as words from "./words.js";

const SPANS = [["3 h", 3 * 3600, 60], ["24 h", 86400, 60], ["5 days", 5 * 86400, 300], ["30 days", 30 * 86400, 3600]];

export function mount(main, place, id) {
  let span = SPANS[1];
  let picture;
  const asked = new AbortController();
  const body = h("div", {}, h("h1", {}, "Watched API"), loading("the API", 8));
  main.append(body);

  async function load() {
    try {
      const path = `api/v1/series/${encodeURIComponent(id)}/minutes`;
      const newest = (await ask(path + query({ period: 3600 }), { signal: asked.signal })).series;
      const until = words.seconds(newest.minute) + 60;
      const times = [until - span[1], until].map((time) => new Date(time * 1000).toISOString().replace(".000", ""));
      const found = await ask(path + query({ since: times[0], until: times[1], period: span[2] }), { signal: asked.signal });
      render(found);
    } catch (error) {
      if (error.name !== "AbortError" && !(picture && error.status === 0)) body.replaceChildren(h("h1", {}, "Watched API"), failure(error, load));
    }
  }

  function render({ series, minutes }) {
    const data = columns(minutes);
    const unit = series.error_code ? "errors a minute" : "calls a minute";
    const spans = SPANS.map((one) => h("button", { type: "button", "aria-pressed": String(one === span), onclick: () => ((span = one), load()) }, one[0]));
    const like = h("a", { href: new URL(query({ account: series.account, region: series.region, source: series.source, name: series.name }), ROOT) }, "Insights about it");
    picture?.leave();
    picture = plot(data, { unit, label: `${unit}, the last ${span[0]}: at most ${words.rate(Math.max(...data[1]))}. Arrow keys move, plus and minus zoom.` });
    const content = [
      h("p", { class: "trail" }, h("a", { href: new URL("watched", ROOT) }, "Watched APIs"), " / ", foreign(series.account)),
      h("div", { class: "title-row" }, h("h1", {}, foreign(series.name), series.error_code ? [" ", foreign(series.error_code, "code")] : ""), series.open && words.badge(series.open)),
      h("p", { class: "quiet" }, words.service(series.source), " · ", foreign(series.account), " · ", foreign(series.region), " · last call ", words.at(series.last_call), " · ", like),
      h("section", { class: "card" }, h("div", { class: "card-head" }, h("h2", {}, unit[0].toUpperCase() + unit.slice(1)), h("div", { class: "tools", role: "group", "aria-label": "How long" }, spans)), picture.element, table(data, `Observed, expected and thresholds, ${unit}`)),
    ];
    keepsFocus(body, () => body.replaceChildren(...content));
  }

  load();
  const leave = () => {
    asked.abort();
    picture?.leave();
  };
  return { title: "Watched API", leave };
}
