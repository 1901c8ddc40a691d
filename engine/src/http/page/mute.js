// What is kept from people: made from an insight by an operator, ended from the status.

import { ask } from "./api.js";
import { failure, foreign, h, plain } from "./dom.js";
import * as words from "./words.js";

const DAYS = [["1", "1 day"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];

/** A glob that means this text and no other. */
const exactly = (text) => text.replace(/[\\*?[\]{}!,]/g, "\\$&");

/** A card that says whether people are told of the like, and lets an operator change it. */
export function card(record, signal) {
  const body = h("div", {}, h("p", { class: "quiet" }, "Asking who may do this…"));
  const element = h("section", { class: "card wide", "aria-labelledby": "mute-title" }, h("h2", { id: "mute-title" }, "Mute"), body);
  load();
  return element;

  async function load() {
    try {
      const { may_change } = await ask("api/v1/mutes", { signal });
      body.replaceChildren(may_change ? form(record, body) : h("p", { class: "quiet" }, "Who has a token of role operator can mute the like of it here; anybody can in the configuration, under [[mutes]]."));
    } catch (error) {
      if (error.name !== "AbortError") body.replaceChildren(failure(error, load));
    }
  }
}

function form(record, body) {
  const { insightDetails: details, trailsight: ours = {} } = record;
  const everybody = [["api", "this API, whoever calls it"]];
  const callers = (ours.principals ?? []).map((one, nth) => [String(nth), `this API, while ${words.who(one.value)} explains it`]);
  const field = (name, label, control, className = "") => {
    control.id = `mute-${name}`;
    control.name = name;
    return h("div", { class: `field ${className}` }, h("label", { for: control.id }, label), control);
  };
  const select = (options) => h("select", {}, options.map(([value, label]) => h("option", { value }, label)));
  const text = () => h("input", { type: "text", required: true, maxlength: 256, autocomplete: "off" });
  const said = h("div", { "aria-live": "polite" });
  const element = h(
    "form",
    { class: "filters", "aria-label": "Mute" },
    field("what", "What", select([...everybody, ...callers]), "grow"),
    field("days", "For", select(DAYS)),
    field("reason", "Why", text(), "grow"),
    field("owner", "Whom to ask", text()),
    h("button", { type: "submit" }, "Mute"),
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(element));
    const caller = ours.principals?.[Number(values.what)]?.value;
    const match = { account: [exactly(record.recipientAccountId)], region: [exactly(record.awsRegion)], type: [details.insightType] };
    if (details.eventName !== "*") Object.assign(match, { source: [exactly(details.eventSource)], name: [exactly(details.eventName)] });
    if (caller) match.principal = [exactly(caller)];
    const until = new Date(Date.now() + Number(values.days) * 86400000).toISOString().replace(/\.\d+/, "");
    try {
      const made = await ask("api/v1/mutes", { method: "POST", body: { match, reason: values.reason, owner: values.owner, until } });
      const done = h("p", { tabindex: "-1" }, `From now on this is kept from people, until ${made.until.slice(0, 16).replace("T", " ")} UTC (${made.key}). It is still recorded.`);
      body.replaceChildren(done, ending(made, () => body.replaceChildren(form(record, body))));
      done.focus();
    } catch (error) {
      said.replaceChildren(failure(error));
    }
  });
  return h("div", {}, element, said);
}

function ending(mute, ended) {
  const button = h("button", { type: "button", "aria-label": `End ${plain(mute.key)}` }, "End");
  button.addEventListener("click", async () => {
    try {
      await ask(`api/v1/mutes/${encodeURIComponent(mute.key)}`, { method: "DELETE" });
      ended();
    } catch (error) {
      button.replaceWith(failure(error));
    }
  });
  return button;
}

/** Every mute as rows of a table, for the status. */
export function rows({ mutes, may_change }, changed) {
  return mutes.map((mute) => h(
    "tr",
    {},
    h("th", { scope: "row" }, foreign(mute.key)),
    h("td", {}, Object.entries(mute.match).map(([key, patterns]) => h("div", {}, `${key}: `, foreign(patterns.join(", "))))),
    h("td", {}, foreign(mute.reason)),
    h("td", {}, foreign(mute.owner)),
    h("td", {}, mute.until ? words.at(mute.until) : "for good"),
    h("td", {}, mute.configured ? "configuration" : may_change ? ending(mute, changed) : "by hand"),
  ));
}
