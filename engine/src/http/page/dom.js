// How elements are made. Text from records only ever becomes text nodes and attributes; there is no markup from strings.

const SVG = "http://www.w3.org/2000/svg";

// Controls and marks of direction would change how the text around them reads: they are shown by their number.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const LONGEST = 400;

const numbered = (mark) => "\\u" + mark.charCodeAt(0).toString(16).padStart(4, "0");

/** What somebody else wrote, fit to be read. */
export function plain(text) {
  const shown = String(text ?? "");
  return (shown.length > LONGEST ? shown.slice(0, LONGEST) + "…" : shown).replace(UNSEEN, numbered);
}

/** A record as JSON to read and copy: unseen marks are escapes, so it is still the same record. */
export const json = (value) => JSON.stringify(value, null, 2).replace(UNSEEN, (mark) => (mark === "\n" ? mark : numbered(mark)));

/** Text from a record, set apart so that its direction stays inside. */
export const foreign = (text, className) => h("bdi", { class: className }, plain(text));

/** An element with attributes; `on…` are listeners, `false` and `null` are left out. */
export function h(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Something to read while there is nothing else: empty, loading, wrong. */
export function state(kind, title, ...more) {
  const role = kind === "error" ? "alert" : "status";
  return h("div", { class: `state ${kind}`, role }, h("p", { class: "state-title" }, title), more);
}

/** Lines where something will be. */
export function loading(what, lines = 6) {
  const bars = Array.from({ length: lines }, () => h("div", { class: "bar" }));
  return h("div", { class: "state loading", role: "status", "aria-busy": "true" }, h("span", { class: "unseen" }, `Loading ${what}`), bars);
}

/** An error as a sentence, and a way to ask again. */
export function failure(error, again) {
  if (error.status === 404) return state("empty", "There is nothing here", h("p", {}, "The address is wrong, or what it names is no longer kept or watched."));
  const title = error.status === 401 || error.status === 403 ? "You may not see this" : "This cannot be shown now";
  return state("error", title, h("p", {}, plain(error.message)), again && h("button", { type: "button", onclick: again }, "Try again"));
}

/** Changes what is inside and gives the focus to what took the place of the element that had it. */
export function keepsFocus(inside, change) {
  const had = inside.contains(document.activeElement) ? document.activeElement : null;
  const like = (one) => one.tagName === had.tagName && (one.tagName === "H1" || one.textContent === had.textContent);
  change();
  if (!had) return;
  const same = [...inside.querySelectorAll(had.tagName)].find(like);
  if (same?.tagName === "H1") same.setAttribute("tabindex", "-1");
  same?.focus({ preventScroll: true });
}

/** Puts text where `navigator.clipboard` may be missing (plain HTTP). */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser does not let this page copy");
}

/** A button that copies and says so. */
export function copies(label, text) {
  const button = h("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    try {
      await copy(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied: select and copy by hand";
    }
    setTimeout(() => (button.textContent = label), 2500);
  });
  return button;
}
