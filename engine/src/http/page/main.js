// Which page is shown, and what is the same on all of them.

import { ROOT, Stream } from "./api.js";
import { h, plain } from "./dom.js";
import * as insights from "./insights.js";
import * as insight from "./insight.js";
import * as series from "./series.js";
import * as status from "./status.js";
import * as watched from "./watched.js";
import { service } from "./words.js";

const PAGES = [
  [/^$/, insights, "insights"],
  [/^insights\/([^/]+)$/, insight, "insights"],
  [/^watched$/, watched, "watched"],
  [/^watched\/([^/]+)$/, series, "watched"],
  [/^status$/, status, "status"],
];

const main = document.getElementById("main");
const spoken = document.getElementById("spoken");
let shown = null;

/** What pages are given. */
const place = {
  navigate,
  /** Puts what is chosen into the address, without a new page. */
  remember(search) {
    history.replaceState(null, "", location.pathname + search);
  },
  say: (text) => (spoken.textContent = text),
};

function navigate(address) {
  history.pushState(null, "", address);
  show();
}

function show() {
  const path = location.pathname.slice(ROOT.pathname.length);
  const found = PAGES.map(([pattern, page, nav]) => [pattern.exec(path), page, nav]).find(([match]) => match);
  shown?.leave?.();
  main.replaceChildren();
  const [match, page, nav] = found ?? [[], insights, "insights"];
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === nav && !link.classList.contains("brand")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  let argument = match[1];
  try {
    argument = argument && decodeURIComponent(argument);
  } catch {
    argument = "?";
  }
  shown = page.mount(main, place, argument);
  document.title = `${shown.title} · Trailsight`;
}

/** The heading of a new page is where reading goes on. */
function arrive() {
  scrollTo(0, 0);
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const other = event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (!link || other || link.target || link.hasAttribute("download") || link.classList.contains("skip")) return;
  const address = new URL(link.href);
  const ours = address.origin === location.origin && address.pathname.startsWith(ROOT.pathname);
  if (!ours || !PAGES.some(([pattern]) => pattern.test(address.pathname.slice(ROOT.pathname.length)))) return;
  event.preventDefault();
  navigate(address);
  arrive();
});
addEventListener("popstate", () => {
  show();
  arrive();
});
addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.closest("details")?.setAttribute("open", "");
  search.focus();
});

const WORDS = { live: "Live", connecting: "Connecting", stale: "Not connected" };

function connected(state, since) {
  const connection = document.getElementById("connection");
  const banner = document.getElementById("banner");
  connection.dataset.state = state;
  document.getElementById("connection-text").textContent = WORDS[state];
  banner.hidden = state !== "stale";
  if (state === "stale") {
    const time = new Date(since).toISOString().slice(11, 19);
    const again = h("button", { type: "button", onclick: () => stream.again() }, "Connect now");
    banner.replaceChildren(h("p", {}, `Not connected since ${time} UTC: what is shown may be out of date. Trying again by itself.`), again);
  }
  document.body.classList.toggle("is-stale", state === "stale");
  // What happened meanwhile was told to nobody.
  if (state === "live") shown?.refresh?.();
}

let due;
function told(record) {
  clearTimeout(due);
  due = setTimeout(() => shown?.refresh?.(), 300);
  const details = record?.insightDetails;
  if (!details) return;
  const level = plain(record.trailsight?.sensitivity);
  place.say(`${details.state === "End" ? "Ended" : "New"}: ${plain(details.eventName)} of ${service(details.eventSource)}, ${level}`);
}

// Addresses of the markup are relative to where it was loaded; from now on that changes without loading.
for (const element of document.querySelectorAll("[href]:not(.skip)")) element.setAttribute("href", element.href);
show();
const stream = new Stream(told, connected);
stream.status = (found) => shown?.status?.(found);
