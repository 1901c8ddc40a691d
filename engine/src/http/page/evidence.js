// Who and what an insight is attributed to, and what became of it.

import { copies, foreign, h, plain } from "./dom.js";
import { ROOT } from "./api.js";
import { rate, who } from "./words.js";

const ATTRIBUTES = { userIdentityArn: "Users", userAgent: "User agents", errorCode: "Error codes" };

/** Users, agents and error codes: during the insight against the week before. */
export function attributions(details) {
  const lists = details.insightContext.attributions ?? [];
  return lists.map(({ attribute, insight, baseline }) => {
    const before = new Map(baseline.map((one) => [one.value, one.average]));
    const during = new Set(insight.map((one) => one.value));
    const rows = insight.map((one) => [one.value, one.average, before.get(one.value) ?? 0]);
    rows.push(...baseline.filter((one) => !during.has(one.value)).map((one) => [one.value, 0, one.average]));
    const most = Math.max(...rows.map(([, now, then]) => Math.max(now, then)), 0);
    const body = rows.map(([value, now, then]) => h(
      "tr",
      {},
      h("th", { scope: "row" }, shown(attribute, value), then === 0 && now > 0 && attribute !== "errorCode" ? h("span", { class: "chip chip-new" }, "not in the baseline") : ""),
      h("td", {}, bar(now, most, "now"), rate(now)),
      h("td", {}, bar(then, most, "then"), rate(then)),
    ));
    const head = h("tr", {}, h("th", { scope: "col" }, ATTRIBUTES[attribute] ?? plain(attribute)), h("th", { scope: "col" }, "Insight, /min"), h("th", { scope: "col" }, "Baseline, /min"));
    return h("section", { class: "card" }, h("h2", {}, ATTRIBUTES[attribute] ?? plain(attribute)), h("table", { class: "against" }, h("thead", {}, head), h("tbody", {}, body)));
  });
}

function shown(attribute, value) {
  if (attribute === "errorCode" && value === "null") return h("span", {}, "no error");
  return attribute === "userIdentityArn" ? h("bdi", { title: plain(value) }, who(value)) : foreign(value);
}

/** A meter is drawn by every browser in its own way: a bar of SVG has attributes and no style. */
function bar(value, most, kind) {
  const width = most > 0 ? (100 * value) / most : 0;
  const ns = "http://www.w3.org/2000/svg";
  const drawn = document.createElementNS(ns, "svg");
  drawn.setAttribute("class", `meter meter-${kind}`);
  drawn.setAttribute("viewBox", "0 0 100 4");
  drawn.setAttribute("preserveAspectRatio", "none");
  drawn.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(ns, "rect");
  rect.setAttribute("width", width.toFixed(2));
  rect.setAttribute("height", "4");
  drawn.append(rect);
  return drawn;
}

/** Principals that were not there before. */
export function newcomers(ours) {
  const found = (ours.principals ?? []).filter((one) => one.new);
  const words = found.length ? "Had not called this API in the week before:" : "Everybody listed had called this API in the week before.";
  const items = found.map((one) => h("li", {}, h("bdi", { title: plain(one.value) }, who(one.value)), h("span", { class: "quiet" }, ` ${rate(one.average)} /min`)));
  return h("section", { class: "card" }, h("h2", {}, "Who is new"), h("p", { class: found.length ? "" : "quiet" }, words), found.length > 0 && h("ul", { class: "new" }, items));
}

/** The lead that speaks for this one, and what this one speaks for. */
export function members(ours) {
  const parts = [];
  if (ours.leader) parts.push(h("p", {}, "People were told of ", h("a", { href: new URL(`insights/${encodeURIComponent(ours.leader)}`, ROOT) }, "the insight that leads"), "; this one is a part of it."));
  if (ours.members?.length) parts.push(h("ul", { class: "members" }, ours.members.map((one) => h("li", {}, foreign(one)))));
  if (ours.membersOmitted) parts.push(h("p", { class: "quiet" }, `and ${ours.membersOmitted} more`));
  return parts.length > 0 && h("section", { class: "card" }, h("h2", {}, ours.leader ? "Part of a lead" : "What belongs to it"), parts);
}

/** What to look at next, with its command. */
export function recommendations(ours) {
  const found = ours.recommendations ?? [];
  if (!found.length) return false;
  const items = found.map((one) => h("li", {}, h("p", {}, plain(one.text)), one.command && h("pre", { tabindex: "0", role: "region", "aria-label": "A command" }, one.command), one.command && copies("Copy command", () => one.command)));
  return h("section", { class: "card wide" }, h("h2", {}, "What to look at next"), h("ol", {}, items));
}

const STATES = { pending: "waiting", delivered: "delivered", dead_letter: "given up: in the dead letter" };

/** What became of each record at each sink. */
export function deliveries(view) {
  const states = new Map(view.records.map((record) => [record.eventID, record.insightDetails.state]));
  const rows = view.deliveries.map((one) => h(
    "tr",
    {},
    h("th", { scope: "row" }, plain(one.sink)),
    h("td", {}, states.get(one.eventID) ?? "–"),
    h("td", {}, h("span", { class: `chip delivery-${one.state}` }, STATES[one.state] ?? plain(one.state))),
    h("td", {}, one.attempts),
    h("td", {}, one.last_error ? foreign(one.last_error) : "–"),
  ));
  const names = ["Sink", "Record", "State", "Attempts", "Last error"].map((name) => h("th", { scope: "col" }, name));
  const content = rows.length
    ? h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Deliveries" }, h("table", {}, h("thead", {}, h("tr", {}, names)), h("tbody", {}, rows)))
    : h("p", { class: "quiet" }, view.insight.muted_by ? "Muted: it was sent to nobody." : "No sink was due to get it, or its deliveries are no longer kept.");
  return h("section", { class: "card wide" }, h("h2", {}, "Deliveries"), content);
}
