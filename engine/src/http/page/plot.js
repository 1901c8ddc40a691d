/* global uPlot */
// The picture: what came by the minute against what was expected, and from where on each level speaks.

import { h } from "./dom.js";
import { rate } from "./words.js";

const LEVELS = ["high", "medium", "low"];
const SERIES = [
  { key: "observed", label: "Observed", colour: "--plot-observed" },
  { key: "expected", label: "Expected", colour: "--plot-expected", width: 2 },
  { key: "high", label: "High from", colour: "--level-high", dash: [2, 3] },
  { key: "medium", label: "Medium from", colour: "--level-medium", dash: [6, 4] },
  { key: "low", label: "Low from", colour: "--level-low", dash: [12, 4] },
];
const HEIGHT = 300;
const ZOOM = 0.6;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const utc = (time) => new Date(time * 1000).toISOString();

/** Points of the API as columns; everything is calls a minute, however many minutes a point holds. */
export function columns(points) {
  const minutes = points.map((point) => point.seconds / 60);
  return [
    points.map((point) => Date.parse(point.minute) / 1000),
    points.map((point, nth) => point.observed / minutes[nth]),
    points.map((point, nth) => (point.expected === null ? null : point.expected / minutes[nth])),
    ...LEVELS.map((level) => points.map((point) => point.thresholds?.[level] ?? null)),
  ];
}

/** A picture of columns with the incident, if there is one, marked: `{begin, end}` in seconds. */
export function plot(data, { unit, label, incident, series }) {
  const canvas = h("div", { class: "plot", tabindex: "0", role: "img", "aria-label": label });
  const readout = h("p", { class: "readout" });
  const present = SERIES.map((one, nth) => data[nth + 1].some((value) => value !== null) && (series ?? SERIES.map((each) => each.key)).includes(one.key));
  let picture;
  let logarithmic = false;
  const shown = present.slice();

  const step = () => {
    const { min, max } = picture.scales.x;
    return (max - min) / 5;
  };
  const range = (min, max) => {
    const [first, last] = [data[0][0], data[0].at(-1) + seconds(data[0])];
    const width = Math.min(Math.max(max - min, 300), last - first);
    const from = Math.min(Math.max(min, first), last - width);
    picture.setScale("x", { min: from, max: from + width });
  };
  const zoomed = (by) => {
    const { min, max } = picture.scales.x;
    const half = ((max - min) * by) / 2;
    range((min + max) / 2 - half, (min + max) / 2 + half);
  };
  const moved = (by) => range(picture.scales.x.min + by, picture.scales.x.max + by);
  const whole = () => range(data[0][0], Infinity);

  function draw() {
    const kept = picture && { min: picture.scales.x.min, max: picture.scales.x.max };
    picture?.destroy();
    picture = new uPlot(options(), data, canvas);
    if (kept) picture.setScale("x", kept);
    else whole();
    read(null);
  }

  function options() {
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px Inter, system-ui, sans-serif" };
    return {
      width: Math.max(canvas.clientWidth, 200),
      height: HEIGHT,
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { drag: { x: true, y: false }, points: { show: false }, y: false },
      scales: { x: { time: true }, y: { distr: logarithmic ? 4 : 1, range: (_, min, max) => [0, Math.max(max * 1.08, 1)] } },
      axes: [
        { ...axis, values: times, label: "Time, UTC", labelSize: 20, labelFont: axis.font },
        { ...axis, size: 56, label: unit, labelSize: 20, labelFont: axis.font, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : rate(tick))) },
      ],
      series: [{}, ...SERIES.map((one, nth) => ({
        show: shown[nth],
        label: one.label,
        stroke: colour(one.colour),
        width: one.width ?? 1.5,
        dash: one.dash,
        fill: one.key === "observed" ? colour("--plot-fill") : undefined,
        paths: one.key === "observed" ? uPlot.paths.bars({ size: [1, 80, 1], align: 1, gap: 0 }) : uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: { drawClear: [shade], setScale: [(self, key) => key === "x" && (canvas.dataset.range = `${self.scales.x.min} ${self.scales.x.max}`)], setCursor: [(self) => read(self.cursor.idx)] },
    };
  }

  function shade(self) {
    if (!incident) return;
    const { ctx, bbox } = self;
    const left = Math.max(self.valToPos(incident.begin, "x", true), bbox.left);
    const right = Math.min(self.valToPos(incident.end, "x", true), bbox.left + bbox.width);
    if (right <= left) return;
    ctx.save();
    ctx.fillStyle = colour("--plot-incident");
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.strokeStyle = colour("--plot-edge");
    for (const edge of [left, right]) ctx.strokeRect(edge, bbox.top, 0, bbox.height);
    ctx.restore();
  }

  function read(at) {
    const nth = at ?? (incident ? data[0].findIndex((time) => time >= incident.begin) : data[0].length - 1);
    if (nth < 0 || data[0][nth] === undefined) return;
    const said = SERIES.map((one, column) => (shown[column] && data[column + 1][nth] !== null ? `${one.label.toLowerCase()} ${rate(data[column + 1][nth])}` : null));
    const time = utc(data[0][nth]);
    readout.textContent = `${time.slice(0, 10)} ${time.slice(11, 16)} UTC: ${said.filter(Boolean).join(", ")}`;
  }

  canvas.addEventListener("keydown", (event) => {
    const acts = { ArrowLeft: () => moved(-step()), ArrowRight: () => moved(step()), "+": () => zoomed(ZOOM), "=": () => zoomed(ZOOM), "-": () => zoomed(1 / ZOOM), 0: whole, Home: whole };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  const button = (words, says, act) => h("button", { type: "button", "aria-label": says, title: says, onclick: act }, words);
  const scale = h("button", { type: "button", "aria-pressed": "false" }, "Log scale");
  scale.addEventListener("click", () => {
    logarithmic = !logarithmic;
    scale.setAttribute("aria-pressed", String(logarithmic));
    draw();
  });
  const legend = SERIES.map((one, nth) => present[nth] && toggle(one, () => {
    shown[nth] = !shown[nth];
    picture.setSeries(nth + 1, { show: shown[nth] });
    return shown[nth];
  }));
  const tools = h(
    "div",
    { class: "tools", role: "group", "aria-label": "Zoom" },
    button("−", "Zoom out", () => zoomed(1 / ZOOM)),
    button("+", "Zoom in", () => zoomed(ZOOM)),
    button("←", "Earlier", () => moved(-step())),
    button("→", "Later", () => moved(step())),
    button("All", "Show all of it", whole),
    scale,
  );
  const resized = new ResizeObserver(() => picture?.setSize({ width: Math.max(canvas.clientWidth, 200), height: HEIGHT }));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", draw);
  const element = h("div", { class: "picture" }, h("div", { class: "picture-bar" }, h("ul", { class: "legend", "aria-label": "What is drawn" }, legend), tools), canvas, readout);
  queueMicrotask(() => {
    draw();
    resized.observe(canvas);
  });
  const leave = () => {
    resized.disconnect();
    scheme.removeEventListener("change", draw);
    picture?.destroy();
  };
  return { element, leave, shown: () => ({ ...picture.scales.x }) };
}

function toggle(one, act) {
  const button = h("button", { type: "button", "aria-pressed": "true", class: `key key-${one.key}` }, h("span", { class: "swatch", "aria-hidden": "true" }), one.label);
  button.addEventListener("click", () => button.setAttribute("aria-pressed", String(act())));
  return h("li", {}, button);
}

const seconds = (times) => (times.length > 1 ? times[1] - times[0] : 60);

/** Hours and minutes; the day where it changes. */
function times(self, ticks) {
  let day = "";
  return ticks.map((tick) => {
    const time = utc(tick);
    const begins = time.slice(0, 10) !== day;
    day = time.slice(0, 10);
    return begins ? `${time.slice(11, 16)}\n${time.slice(5, 10)}` : time.slice(11, 16);
  });
}

/** The same as a table, for who cannot see the picture or wants to copy it. */
export function table(data, caption) {
  const columns = SERIES.map((one, nth) => [one, data[nth + 1]]).filter(([, values]) => values.some((value) => value !== null));
  const body = h("tbody", {});
  const details = h("details", { class: "figures" }, h("summary", {}, "The figures as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || body.childElementCount) return;
    const rows = data[0].map((time, nth) => h("tr", {}, h("th", { scope: "row" }, utc(time).slice(0, 16).replace("T", " ")), columns.map(([, values]) => h("td", {}, rate(values[nth])))));
    body.append(...rows);
  });
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time, UTC"), columns.map(([one]) => h("th", { scope: "col" }, one.label))));
  details.append(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", {}, h("caption", {}, caption), head, body)));
  return details;
}
