// Numbers, times and names as people read them. Times are UTC, as in CloudTrail.

import { h, plain } from "./dom.js";

const whole = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);
export const short = (value) => (value < 10000 ? whole.format(value) : compact.format(value));

/** Calls a minute: three figures, and small ones are not zero. */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  if (value < 0.001) return "< 0.001";
  return value >= 100 ? whole.format(Math.round(value)) : String(Number(value.toPrecision(value < 1 ? 2 : 3)));
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let nth = 0;
  while (value >= 1024 && nth < units.length - 1) [value, nth] = [value / 1024, nth + 1];
  return `${value >= 100 || nth === 0 ? Math.round(value) : value.toFixed(1)} ${units[nth]}`;
}

/** Seconds as the two largest units. */
export function lasting(seconds) {
  if (seconds < 1) return "under 1 s";
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  let rest = Math.round(seconds);
  const said = parts.slice(first, first + 2).map(([unit, size]) => {
    const many = Math.floor(rest / size);
    rest -= many * size;
    return many ? `${many} ${unit}` : "";
  });
  return said.filter(Boolean).join(" ");
}

export const seconds = (time) => Math.floor(Date.parse(time) / 1000);
export const clock = (time) => time.slice(11, 16);
export const day = (time) => time.slice(0, 10);

const days = new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
export const dayInWords = (time) => days.format(new Date(time));

/** A time element; pointing at it shows the reader's own time. */
export function at(time, shown) {
  if (!time) return "–";
  return h("time", { datetime: time, title: `${new Date(time).toLocaleString()} (your time)` }, shown ?? `${day(time)} ${clock(time)}`);
}

export const LEVELS = {
  low: "raised even at the lowest sensitivity: the strongest evidence",
  medium: "raised at medium and high sensitivity",
  high: "raised at high sensitivity only: the weakest evidence",
};

export function badge(level) {
  return h("span", { class: `badge level-${level in LEVELS ? level : "none"}`, title: LEVELS[level] ?? null }, plain(level ?? "?"));
}

const TYPES = {
  ApiCallRateInsight: "call rate",
  ApiErrorRateInsight: "error rate",
  AccountSweepInsight: "sweep of many APIs",
  AccountDeniedInsight: "denied calls of the account",
  AccountSilenceInsight: "silence of the account",
};
export const TYPE_NAMES = TYPES;
export const type = (name) => TYPES[name] ?? plain(name);

/** `ec2` of `ec2.amazonaws.com`. */
export const service = (source) => plain(source).replace(/\.amazonaws\.com$/, "");

/** The end of an ARN, which is what people know somebody by. */
export function who(arn) {
  const text = plain(arn);
  const found = /^arn:[^:]*:(?:iam|sts):[^:]*:[^:]*:(.+)$/.exec(text);
  return found ? found[1].replace(/^(assumed-role|role|user)\//, "") : text;
}

const TESTS = {
  minute: "one minute against what is expected of it",
  fiveMinutes: "five minutes together",
  sustained: "a change that lasts",
  hour: "a whole clock hour",
  record: "more than any minute of the last seven days",
  drop: "fewer calls than expected",
  firstUse: "the first burst after a week of silence",
  sweep: "many APIs waking up together",
};
export const test = (name) => TESTS[name] ?? plain(name);

const ENDS = { returned: "back to normal", accepted: "the new level is the normal one", superseded: "taken over by another insight" };
export const endReason = (name) => ENDS[name] ?? plain(name);
