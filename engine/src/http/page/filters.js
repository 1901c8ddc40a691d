// The filters of the list of insights: a form, an address and a question to the API are three forms of one thing.

import { h } from "./dom.js";
import { TYPE_NAMES } from "./words.js";

const TEXTS = [["account", "Account", "111122223333"], ["region", "Region", "eu-west-1"], ["source", "Source", "iam.amazonaws.com"], ["name", "API", "CreateAccessKey"]];
const TIMES = [["since", "From (UTC)"], ["until", "Until (UTC)"]];
const CHOICES = [
  ["sensitivity", "Level", [["", "all"], ["low", "low: strongest only"], ["medium", "medium and low"], ["high", "high, medium and low"]]],
  ["state", "State", [["", "open and ended"], ["open", "open"], ["ended", "ended"]]],
  ["type", "Type", [["", "all"], ...Object.entries(TYPE_NAMES)]],
];
const NAMES = [...TEXTS, ...TIMES, ...CHOICES].map(([name]) => name);

/** What an address says; names that are none of ours are left. */
export function read(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]).filter(([, value]) => value));
}

const minute = (time) => {
  const found = new Date(time);
  return Number.isNaN(found.getTime()) ? "" : found.toISOString().slice(0, 16);
};

function field(name, label, control) {
  control.id = `filter-${name}`;
  control.name = name;
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

/** A form that shows `chosen` and calls `changed(chosen)` when it is another. */
export function form(chosen, changed) {
  const texts = TEXTS.map(([name, label, example]) => {
    const control = h("input", { type: "text", maxlength: 256, placeholder: example, autocomplete: "off", spellcheck: "false", "data-search": name === "name" });
    control.value = chosen[name] ?? "";
    return field(name, label, control);
  });
  const choices = CHOICES.map(([name, label, options]) => {
    const control = h("select", {}, options.map(([value, words]) => h("option", { value }, words)));
    control.value = chosen[name] ?? "";
    return field(name, label, control);
  });
  const times = TIMES.map(([name, label]) => {
    const control = h("input", { type: "datetime-local" });
    control.value = chosen[name] ? minute(chosen[name]) : "";
    return field(name, label, control);
  });
  const element = h("form", { class: "filters", role: "search", "aria-label": "Filters" }, texts, choices, times);
  element.append(h("button", { type: "reset" }, "Clear"));
  const tell = () => {
    const values = NAMES.map((name) => [name, element.elements[name].value.trim()]).filter(([, value]) => value);
    changed(Object.fromEntries(values.map(([name, value]) => [name, name === "since" || name === "until" ? `${value}:00Z` : value])));
  };
  let due;
  element.addEventListener("input", () => {
    clearTimeout(due);
    due = setTimeout(tell, 250);
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(due);
    tell();
  });
  element.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of NAMES) element.elements[name].value = "";
    tell();
  });
  return element;
}
