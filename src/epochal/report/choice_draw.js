"use strict";
// What the figures about a choice are drawn with: colors, axes, marks, numbers in words.
const Draw = (() => {
  const wide = () => window.innerWidth > 760;
  // By numbers, since Plotly knows few names of signs; with the percent sign, which begins a field of its templates.
  const escape = (text) => String(text).replace(/[&<>"'%]/g, (c) => `&#${c.charCodeAt(0)};`);
  const short = (name, most) => escape(name.length > most ? name.slice(0, most - 1) + "…" : name);
  // A whole name, in lines of at most so many signs.
  function folded(name, most) {
    const rows = [""], words = name.split(" ").flatMap((word) => word.match(new RegExp(`.{1,${most}}`, "gu")) || []);
    for (const word of words) {
      const longer = rows[rows.length - 1] ? `${rows[rows.length - 1]} ${word}` : word;
      if (longer.length > most) rows.push(word);
      else rows[rows.length - 1] = longer;
    }
    return rows.filter(Boolean).map(escape);
  }
  const known = (v) => v !== null && v !== undefined;
  const LIGHT = { ink: "#1a202b", soft: "#566173", line: "#e0e4ea", card: "#ffffff", training: "#2563b0", validation: "#c2501a", good: "#17735c", ramp0: "#c2501a", ramp1: "#b5307a", ramp2: "#6b46c1", ramp3: "#1f6fb8", ramp4: "#16836a" };
  let printing = false;

  // Colors live in the style sheet only; a figure reads them whenever it is drawn. Paper is white.
  function ink() {
    if (printing) return LIGHT;
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(Object.keys(LIGHT).map((name) => [name, style.getPropertyValue("--" + name).trim() || LIGHT[name]]));
  }

  const parts = (hex) => { const n = parseInt(hex.slice(1), 16); return [n >> 16, (n >> 8) & 255, n & 255]; };
  const tint = (hex, alpha) => `rgba(${parts(hex).join(",")},${alpha})`;

  function ramp(colors, rank) {
    const at = Math.min(rank * 4, 3.9999), from = Math.floor(at);
    const [a, b] = [parts(colors[`ramp${from}`]), parts(colors[`ramp${from + 1}`])];
    return "#" + a.map((v, i) => Math.round(v + (b[i] - v) * (at - from)).toString(16).padStart(2, "0")).join("");
  }

  // A shape for each standing, and a color that only repeats what the shape says.
  const MARKS = { best: ["diamond", 13], tied: ["circle", 10], worse: ["circle-open", 9], dropped: ["x", 8], broken: ["circle-open", 8] };
  function mark(colors, standing) {
    const [symbol, size] = MARKS[standing] || MARKS.worse;
    const color = { best: colors.good, tied: colors.training }[standing] || colors.soft;
    return { symbol, size, color, line: { color, width: symbol === "circle-open" ? 1.8 : 0 } };
  }
  const SAID = { best: "recommended", tied: "no significant difference from the best mean", worse: "worse", dropped: "given up early", broken: "not finite" };

  function value(v) {
    if (!known(v)) return "";
    const size = Math.abs(v);
    if (size >= 1e6) return v.toLocaleString("en-US", { notation: "compact", maximumFractionDigits: 1 });
    return size >= 1000 ? v.toLocaleString("en-US", { maximumFractionDigits: 0 }) : String(Number(v.toPrecision(3)));
  }

  function duration(s) {
    if (!known(s)) return "";
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"]]) if (s >= size * 0.9995) return `${value(s / size)} ${unit}`;
    return `${value(s * 1e6)} µs`;
  }

  const range = (low, high, write) => known(low) ? (known(high) ? `${write(low)} to ${write(high)}` : `${write(low)} or more`) : "no interval";

  function layout(colors, more) {
    return Object.assign({
      paper_bgcolor: colors.card, plot_bgcolor: colors.card, autosize: true, hovermode: "closest",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colors.soft },
      hoverlabel: { bgcolor: colors.card, bordercolor: colors.line, font: { color: colors.ink, size: 13 }, namelength: -1, align: "left" },
      showlegend: false, dragmode: wide() ? "zoom" : false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: tint(colors.soft, 0.6), activecolor: colors.ink },
    }, more);
  }

  const axis = (colors, title, more) => Object.assign({
    gridcolor: colors.line, zeroline: false, linecolor: colors.soft, tickcolor: colors.soft, ticks: "", automargin: true,
    tickfont: { color: colors.soft }, title: title ? { text: escape(title), font: { color: colors.soft, size: 14 }, standoff: 8 } : undefined,
  }, more);

  // Only buttons that stay in this file: plotly's own set has one that sends the figure to a server.
  const config = {
    responsive: true, displaylogo: false, doubleClick: "reset", displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  // A logarithmic axis over what is to be seen, with round ticks or with those that are given.
  function logAxis(colors, title, seen, more = {}) {
    const { write = value, at = null, pad = 0.06, room = 0, pixels = 500, upright = false } = more;
    const logs = seen.filter((v) => known(v) && v > 0).map(Math.log10);
    let low = Math.min(...logs), high = Math.max(...logs);
    if (!logs.length) [low, high] = [0, 1];
    const margin = Math.max(pad * (high - low), 0.08);
    const span = [low - margin, high + margin + room * (high - low + 2 * margin)];
    let ticks = at ? [...new Set(at)].sort((a, b) => a - b) : round(span);
    const needed = upright ? 16 : 12 + 7 * Math.max(0, ...ticks.map((v) => write(v).length)), apart = needed / pixels * (span[1] - span[0]);
    let last = -Infinity;
    ticks = ticks.filter((v) => Math.log10(v) - last >= apart && ((last = Math.log10(v)), true));
    return axis(colors, title, { type: "log", range: span, tickmode: "array", tickangle: 0, tickvals: ticks, ticktext: ticks.map(write), ...more.axis });
  }

  function round([low, high]) {
    let ticks = [];
    for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9]]) {
      ticks = [];
      for (let power = Math.floor(low); power <= Math.ceil(high); power++) for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(3)));
      ticks = ticks.filter((v) => Math.log10(v) >= low && Math.log10(v) <= high);
      if (ticks.length >= 3) break;
    }
    const step = Math.ceil(ticks.length / 9);
    return ticks.filter((_, i) => i % step === 0);
  }

  // A plain axis over what is to be seen, a little wider.
  function span(seen) {
    const all = seen.filter(known);
    const low = Math.min(...all), high = Math.max(...all), margin = 0.06 * (high - low || Math.abs(high) || 1);
    return all.length ? [low - margin, high + margin] : [0, 1];
  }

  // Bars from low to high at each place, one trace for each color; where an end is open, to `least` or `most`.
  function bars(points, { at, low, high, upright, color, width = 2 }) {
    const x = [], y = [];
    for (const point of points) {
      const ends = [low(point), high(point)];
      if (!ends.every(known)) continue;
      const place = at(point);
      (upright ? x : y).push(place, place, null);
      (upright ? y : x).push(...ends, null);
    }
    return { x, y, mode: "lines", line: { color, width }, hoverinfo: "skip" };
  }

  function closed(x, low, high) {
    // The outline of a band, one polygon for each stretch without a gap.
    const xs = [], ys = [], whole = (i) => known(low[i]) && known(high[i]) && known(x[i]);
    for (let i = 0; i < x.length; ) {
      if (!whole(i)) { i++; continue; }
      let j = i;
      while (j < x.length && whole(j)) j++;
      if (xs.length) { xs.push(null); ys.push(null); }
      for (let k = i; k < j; k++) { xs.push(x[k]); ys.push(high[k]); }
      for (let k = j - 1; k >= i; k--) { xs.push(x[k]); ys.push(low[k]); }
      i = j;
    }
    return [xs, ys];
  }

  return {
    wide, escape, short, folded, known, ink, tint, ramp, mark, SAID, value, duration, range, layout, axis, config, logAxis, span, bars, closed,
    print(now) { printing = now; },
    get printing() { return printing; },
  };
})();
