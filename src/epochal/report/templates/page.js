"use strict";
// The one script of all pages, and so of more than 400 lines: figures that plotly.js draws from the numbers of the page,
// tables that sort, commands that copy.
(() => {
  const data = JSON.parse(document.getElementById("figures").textContent);
  const ROLES = { running: "training, running", train: "training, fixed", validation: "validation", test: "test" };
  const X = { epochs: "epoch", updates: "update", samples: "samples seen", seconds: "seconds of training" };
  const ORDER = ["diverged", "dropped", "worse", "tied", "best"];
  const STANDS = { best: "recommended", tied: "no significant difference from the best mean", worse: "worse", dropped: "given up early", diverged: "not finite" };
  const DASHES = [["solid", ""], ["dash", "7 4"], ["dot", "2 3"], ["dashdot", "8 3 2 3"]];
  const better = data.higher ? "higher is better" : "lower is better";
  let printing = false;

  // --- words -----------------------------------------------------------------------------------------------

  const wide = () => window.innerWidth > 760;
  const known = (v) => v !== null && v !== undefined;
  // By numbers, since Plotly knows few names of signs; with the percent sign, which begins a field of its templates.
  const escape = (text) => String(text).replace(/[&<>"'%]/g, (c) => `&#${c.charCodeAt(0)};`);
  const short = (name, most) => escape(name.length > most ? name.slice(0, most - 1) + "…" : name);
  const aside = (text) => (wide() ? ` (${text})` : "");

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

  function value(v, digits = 3) {
    if (!known(v)) return "";
    const size = Math.abs(v);
    if (size >= 1e6) return v.toLocaleString("en-US", { notation: "compact", maximumSignificantDigits: digits });
    return size >= 1000 ? v.toLocaleString("en-US", { maximumFractionDigits: 0 }) : String(Number(v.toPrecision(digits)));
  }

  function duration(s) {
    if (!known(s)) return "";
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"]]) if (s >= size * 0.9995) return `${value(s / size)} ${unit}`;
    return `${value(s * 1e6)} µs`;
  }

  const range = (low, high, write) => known(low) ? (known(high) ? `${write(low)} to ${write(high)}` : `${write(low)} or more`) : "no interval";
  const ended = (y, low, high, digits) => value(y, digits) + (known(low) ? `  [${value(low, digits)}, ${value(high, digits)}]` : "");

  // --- looks -----------------------------------------------------------------------------------------------

  const LIGHT = { ink: "#1a202b", soft: "#566173", line: "#e0e4ea", card: "#ffffff", training: "#2563b0", running: "#7b5cc4", validation: "#c2501a", test: "#1b7a63", good: "#17735c", ramp0: "#c2501a", ramp1: "#b5307a", ramp2: "#6b46c1", ramp3: "#1f6fb8", ramp4: "#16836a" };

  // Colors live in the style sheet only; a figure reads them whenever it is drawn. Paper is white.
  function ink() {
    if (printing) return LIGHT;
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(Object.keys(LIGHT).map((name) => [name, style.getPropertyValue("--" + name).trim() || LIGHT[name]]));
  }

  const parts = (hex) => { const n = parseInt(hex.slice(1), 16); return [n >> 16, (n >> 8) & 255, n & 255]; };
  const tint = (hex, alpha) => `rgba(${parts(hex).join(",")},${alpha})`;

  function colorOf(line, colors) {
    if (line.role) return colors[line.role === "train" ? "training" : line.role] || colors.ink;
    const at = Math.min(line.rank * 4, 3.9999), from = Math.floor(at), [a, b] = [parts(colors[`ramp${from}`]), parts(colors[`ramp${from + 1}`])];
    return "#" + a.map((v, i) => Math.round(v + (b[i] - v) * (at - from)).toString(16).padStart(2, "0")).join("");
  }

  // A shape for each status, and a color that only repeats what the shape says.
  const MARKS = { best: ["diamond", 13], tied: ["circle", 10], worse: ["circle-open", 9], dropped: ["x", 8], diverged: ["circle-open", 8] };
  function mark(colors, status) {
    const [symbol, size] = MARKS[status] || MARKS.worse;
    const color = { best: colors.good, tied: colors.training }[status] || colors.soft;
    return { symbol, size, color, line: { color, width: symbol === "circle-open" ? 1.8 : 0 } };
  }

  function layout(colors, more) {
    return {
      paper_bgcolor: colors.card, plot_bgcolor: colors.card, autosize: true, hovermode: "closest",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colors.soft },
      hoverlabel: { bgcolor: colors.card, bordercolor: colors.line, font: { color: colors.ink, size: 13 }, namelength: -1, align: "left" },
      showlegend: false, dragmode: wide() ? "zoom" : false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: tint(colors.soft, 0.6), activecolor: colors.ink }, ...more,
    };
  }

  // Only buttons that stay in this file: plotly's own set has one that sends the figure to a server.
  const config = {
    responsive: true, displaylogo: false, doubleClick: "reset", displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  const axis = (colors, title, more) => ({
    gridcolor: colors.line, zeroline: false, linecolor: colors.soft, tickcolor: colors.soft, ticks: "", automargin: true,
    tickfont: { color: colors.soft }, title: title ? { text: escape(title), font: { color: colors.soft, size: 14 }, standoff: 8 } : undefined, ...more,
  });

  // A logarithmic axis over what is to be seen, with round ticks or with those that are given.
  function logAxis(colors, title, seen, { write = value, at = null, pad = 0.06, room = 0, pixels = 500, upright = false, ...more } = {}) {
    const logs = seen.filter((v) => known(v) && v > 0).map(Math.log10);
    let low = Math.min(...logs), high = Math.max(...logs);
    if (!logs.length) [low, high] = [0, 1];
    const margin = Math.max(pad * (high - low), 0.08);
    const span = [low - margin, high + margin + room * (high - low + 2 * margin)];
    let ticks = at ? [...new Set(at)].sort((a, b) => a - b) : round(span);
    const needed = upright ? 16 : 12 + 7 * Math.max(0, ...ticks.map((v) => write(v).length)), apart = needed / pixels * (span[1] - span[0]);
    let last = -Infinity;
    ticks = ticks.filter((v) => Math.log10(v) - last >= apart && ((last = Math.log10(v)), true));
    return axis(colors, title, { type: "log", range: span, tickmode: "array", tickangle: 0, tickvals: ticks, ticktext: ticks.map((v) => (v < 1e-3 && write === value ? v.toExponential() : write(v))), ...more });
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

  const lowest = (seen) => seen.reduce((a, b) => Math.min(a, b), Infinity), highest = (seen) => seen.reduce((a, b) => Math.max(a, b), -Infinity);

  // The limits of a plain axis over what is to be seen, a little wider; not below 0 where nothing is.
  function span(seen, more = 0.06) {
    const all = seen.filter(known), low = lowest(all), high = highest(all), margin = more * (high - low || Math.abs(high) || 1);
    return all.length ? [low < 0 ? low - margin : Math.max(0, low - margin), high + margin] : [0, 1];
  }

  const line = (x0, x1, y0, y1, more) => ({ type: "line", x0, x1, y0, y1, ...more });
  const level = (y, color, more) => line(0, 1, y, y, { xref: "paper", line: { color, width: 1.2, dash: "dash" }, layer: "below", ...more });
  const upright = (x, color, more) => line(x, x, 0, 1, { yref: "paper", line: { color, width: 1.2, dash: "dot" }, layer: "below", ...more });
  const area = (x0, x1, color) => ({ type: "rect", x0, x1, yref: "paper", y0: 0, y1: 1, fillcolor: color, line: { width: 0 }, layer: "below" });
  const note = (text, more) => ({ text, showarrow: false, ...more });
  const above = (text, colors, more) => note(text, { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, font: { size: 14, color: colors.ink }, ...more });
  const silent = { hoverinfo: "skip" };

  // The outline of a band, one polygon for each stretch without a gap.
  function band(x, low, high, color, alpha) {
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
    return xs.length ? [{ x: xs, y: ys, mode: "lines", fill: "toself", fillcolor: tint(color, alpha), line: { width: 0 }, ...silent }] : [];
  }

  // On a logarithmic axis an interval that reaches below 0 goes on to the lower edge.
  const aboveZero = (log) => (v) => (log && known(v) && v <= 0 ? Number.MIN_VALUE ** 0.5 : v);
  const positive = (log) => (v) => (log && known(v) && v <= 0 ? null : v);

  // Bars from low to high at each place, one trace for each color.
  function bars(points, { at, low, high, flat = false, color, width = 2 }) {
    const x = [], y = [];
    for (const point of points) {
      const ends = [low(point), high(point)];
      if (!ends.every(known)) continue;
      (flat ? y : x).push(at(point), at(point), null);
      (flat ? x : y).push(...ends, null);
    }
    return { x, y, mode: "lines", line: { color, width }, ...silent };
  }

  // Marks for points that stand differently to the best one: a trace for each status.
  function marks(points, colors, at, text) {
    return ORDER.filter((status) => points.some((p) => p.status === status)).map((status) => {
      const here = points.filter((p) => p.status === status);
      return { x: here.map((p) => at(p)[0]), y: here.map((p) => at(p)[1]), mode: "markers", marker: mark(colors, status), text: here.map(text), hovertemplate: "%{text}<extra></extra>" };
    });
  }

  // --- what can be switched --------------------------------------------------------------------------------

  const form = (name) => document.querySelector(`form[data-for="${name}"]`);
  const field = (name, input) => form(name) && form(name).elements[input];
  const chosen = (name, input) => { const found = field(name, input); return found ? found.value : null; };
  const place = (name, input) => { const found = field(name, input); return found ? found.selectedIndex : 0; };
  const ticked = (name, input) => { const found = field(name, input); return !!(found && found.checked); };
  const room = (box) => Math.max(200, box.clientWidth - 90);

  // --- the page about a run --------------------------------------------------------------------------------

  function panel(spec, last) {
    return (box, colors) => {
      const along = chosen("panels", "x") || "epochs", x = data.x[along], traces = [], ends = [], bounds = [], loss = spec.kind === "loss";
      const log = loss && spec.log_possible && ticked("panels", "log"), fits = positive(log);
      for (const one of spec.lines) {
        const color = colorOf(one, colors);
        if (!field("panels", "faint") || ticked("panels", "faint")) for (const row of one.repeats) traces.push({ x, y: row.map(fits), mode: "lines", line: { color: tint(color, 0.24), width: 0.8 }, ...silent });
        for (const row of one.repeats) for (const v of row) if (v !== null) bounds.push(v);
        if (one.role !== "running") traces.push(...band(x, one.low.map(aboveZero(log)), one.high.map(fits), color, 0.17));
      }
      for (const one of spec.lines) {
        const color = colorOf(one, colors), all = Math.max(...one.count), width = one.role === "running" ? 1.3 : 2.6;
        const label = loss ? ROLES[one.role] || one.name : { train: "training" }[one.role] || one.role;
        const text = one.mean.map((v, i) => (v === null ? "" : ended(v, one.low[i], one.high[i], 4) + (all > 1 ? `  n = ${one.count[i]}` : "")));
        const y = one.mean.map(fits), whole = y.map((v, i) => (one.count[i] === all ? v : null));
        const dotted = one.count.map((n, i) => n < all || (i + 1 < y.length && one.count[i + 1] < all));
        const hover = { name: escape(label), text };
        traces.push({ x, y: whole, mode: "lines", line: { color, width }, hoverinfo: "text+name", ...hover });
        // Where repeats have stopped; the first point only joins the two.
        if (dotted.some(Boolean)) traces.push({ x, y: y.map((v, i) => (dotted[i] ? v : null)), mode: "lines", line: { color, width, dash: "dot" }, hoverinfo: one.count.map((n) => (n < all ? "text+name" : "skip")), ...hover });
        const seen = y.filter((v) => v !== null);
        if (seen.length) ends.push({ y: seen[seen.length - 1], label, color });
        for (const v of seen) bounds.push(v);
      }
      bounds.sort((a, b) => a - b);
      const cut = Math.floor(bounds.length * 0.002), inner = bounds.slice(cut, bounds.length - cut), base = spec.baseline, shapes = [], notes = [];
      if (base !== null) inner.push(base);
      const labels = wide(), height = labels ? (loss ? 400 : 270) : loss ? 330 : 230, bottom = last ? 46 : 26, tall = height - 34 - bottom;
      const yaxis = log ? logAxis(colors, "", inner, { upright: true, pixels: tall }) : axis(colors, "", { range: span(inner), nticks: 6, exponentformat: highest(inner) >= 1000 ? "SI" : "power" });
      yaxis.automargin = false;
      if (base !== null && !(log && base <= 0)) {
        shapes.push(level(base, colors.soft));
        if (loss) notes.push(note("baseline", { xref: "paper", x: 1, xanchor: "right", y: log ? Math.log10(base) : base, yanchor: "bottom", bgcolor: tint(colors.card, 0.7), font: { size: 12, color: colors.soft } }));
      }
      const end = x[x.length - 1] || 1;
      if (data.best) {
        const at = data.best[along];
        shapes.push(upright(at, colors.soft));
        if (loss) notes.push(note(` best epoch ${data.best.text} `, { x: at, xanchor: at > 0.6 * end ? "right" : "left", yref: "paper", y: 1, yanchor: "top", font: { size: 12, color: colors.soft } }));
      }
      if (labels) {
        // Names at the ends of the lines, kept apart.
        const scale = (v) => ((log ? Math.log10(v) : v) - yaxis.range[0]) / (yaxis.range[1] - yaxis.range[0]) * tall;
        ends.sort((a, b) => a.y - b.y);
        let floor = -Infinity, cap = tall - 6;
        for (const one of ends) { one.at = Math.max(scale(one.y), floor, 6); floor = one.at + 34; }
        for (const one of [...ends].reverse()) { one.at = Math.min(one.at, cap); cap = one.at - 34; }
        for (const one of ends) notes.push(note(`${escape(one.label)}<br><b>${value(one.y, 4)}</b>`, { xref: "paper", x: 1, xanchor: "left", xshift: 10, yref: "paper", y: one.at / tall, yanchor: "middle", align: "left", font: { size: 12.5, color: one.color } }));
      } else {
        notes.push(above(ends.map((one) => `<span style="color:${one.color}">━ ${escape({ "training, running": "running", "training, fixed": "training" }[one.label] || one.label)}</span>`).join("  "), colors, { x: 1, xanchor: "right", xshift: 0, font: { size: 11.5 } }));
      }
      notes.push(above(`<b>${escape(spec.title)}</b>${log && labels ? " (log scale)" : ""}`, colors));
      return [traces, {
        height, margin: { l: 46, r: labels ? 132 : 10, t: 34, b: bottom }, shapes, annotations: notes, hovermode: "x unified", yaxis,
        xaxis: axis(colors, last ? X[along] : "", { showgrid: false, showline: true, ticks: "outside", ticklen: 4, spikecolor: colors.soft, spikethickness: 1, spikedash: "solid", range: [0, end * 1.01], hoverformat: along === "seconds" ? ".3~f" : ",.4~f", unifiedhovertitle: { text: `${X[along]} %{x}` } }),
      }];
    };
  }

  function scatter(box, colors) {
    const r = data.residuals, ends = span([...r.true, ...r.predicted], 0);
    return [[
      { x: ends, y: ends, mode: "lines", line: { color: colors.soft, width: 1.2, dash: "dash" }, ...silent },
      { x: r.true, y: r.predicted, mode: "markers", marker: { color: tint(colors.validation, 0.45), size: 6 }, hovertemplate: "true %{x}<br>predicted %{y}<extra></extra>" },
    ], { height: 340, margin: { l: 56, r: 8, t: 12, b: 46 }, xaxis: axis(colors, `true ${r.target.slice(0, 60)}`), yaxis: axis(colors, "predicted") }];
  }

  function histogram(box, colors) {
    const r = data.residuals, middles = r.counts.map((_, i) => (r.edges[i] + r.edges[i + 1]) / 2);
    const text = r.counts.map((n, i) => `${value(r.edges[i], 4)} to ${value(r.edges[i + 1], 4)}: ${n.toLocaleString("en-US")}`);
    const xaxis = axis(colors, "predicted", { showgrid: false });
    xaxis.title.text = `predicted − true${wide() ? " " : "<br>"}(mean ${value(r.mean, 4)}, RMSE ${value(r.rmse, 4)})`;
    return [[{ type: "bar", x: middles, y: r.counts, text, textposition: "none", marker: { color: tint(colors.validation, 0.75) }, hovertemplate: "%{text}<extra></extra>" }],
      { height: 340, margin: { l: 50, r: 8, t: 12, b: wide() ? 46 : 62 }, bargap: 0.06, shapes: [upright(0, colors.soft, { layer: "above" })], xaxis, yaxis: axis(colors, "samples") }];
  }

  function tradeoff(spec) {
    return (box, colors) => {
      const traces = [], notes = [], many = spec.lines.length;
      const steps = (x, y, color, more) => ({ x, y, mode: "lines", line: { shape: "vh", color, width: 0 }, ...silent, ...more });
      for (const one of spec.lines) {
        const color = colorOf(one, colors), x = one.recall;
        for (const row of one.repeats) traces.push(steps(x, row, color, { line: { shape: "vh", color: tint(color, 0.24), width: 0.8 } }));
        if (one.repeats.length) traces.push(steps(x, one.low, color), steps(x, one.high, color, { fill: "tonexty", fillcolor: tint(color, 0.17) }));
      }
      spec.lines.forEach((one, row) => {
        const color = colorOf(one, colors), name = escape(ROLES[one.role] || one.role);
        const text = one.mean.map((v, k) => ended(v, one.low[k], one.high[k], 4));
        traces.push({ x: one.recall, y: one.mean, mode: "lines", line: { shape: "vh", color, width: 2.6 }, name, text, hoverinfo: "text+name" });
        notes.push(above(`${name}: average precision <b>${escape(one.average)}</b>`, colors, { yshift: 4 + 18 * (many - 1 - row), font: { size: wide() ? 12.5 : 11, color } }));
      });
      notes.push(above(`<b>class ${short(spec.name, wide() ? 44 : 26)}</b>`, colors, { yshift: 4 + 18 * many }));
      notes.push(note(` base rate ${value(spec.base, 4)}`, { xref: "paper", x: 0, xanchor: "left", y: spec.base, yanchor: spec.base > 0.85 ? "top" : "bottom", bgcolor: tint(colors.card, 0.7), font: { size: 12, color: colors.soft } }));
      return [traces, { height: 340, margin: { l: 52, r: 8, t: 30 + 18 * many, b: 46 }, annotations: notes, hovermode: "x unified", shapes: [level(spec.base, colors.soft)],
        xaxis: axis(colors, "recall", { range: [0, 1.004], showgrid: false, showline: true, hoverformat: ".3~f", unifiedhovertitle: { text: "recall %{x}" } }), yaxis: axis(colors, "precision", { range: [0, 1.02] }) }];
    };
  }

  function forecast(box, colors) {
    const f = data.forecast, one = f.series[place("forecast", "series")], step = place("forecast", "step");
    const traces = [{ x: one.x, y: one.truth, mode: "lines", name: "true " + escape(f.target), line: { color: colors.ink, width: 1.4 } }];
    const shapes = [], names = [["true", colors.ink]];
    for (const part of one.parts) {
      const { at, mean, sd } = part.steps[step], color = colorOf({ role: part.name }, colors), name = `${escape(part.name)} forecast`;
      if (!at.length) continue;
      // Rows that no window forecasts are gaps in the line and in the band.
      const xs = [], ys = [], low = [], high = [], text = [], add = (x, y, d) => { xs.push(x); ys.push(y); low.push(d === null ? null : y - d); high.push(d === null ? null : y + d); text.push(y === null ? "" : value(y, 4) + (d === null ? "" : ` ± ${value(d, 4)}`)); };
      at.forEach((row, i) => {
        if (i && row > at[i - 1] + 1) add(one.x[at[i - 1] + 1], null, null);
        add(one.x[row], mean[i], sd ? sd[i] : null);
      });
      traces.push(...band(xs, low, high, color, 0.22));
      traces.push({ x: xs, y: ys, mode: at.length < 80 ? "lines+markers" : "lines", marker: { size: 5 }, line: { color, width: 2 }, name, text, hoverinfo: "text+name" });
      shapes.push(upright(xs[0], colors.soft));
      names.push([name, color]);
    }
    const key = names.map(([name, color]) => `<span style="color:${color}">━ ${name}</span>`).join("   ");
    return [traces, { height: 340, margin: { l: 56, r: 10, t: 34, b: 46 }, shapes, hovermode: "x unified", annotations: [above(key, colors, { font: { size: wide() ? 13 : 11.5, color: colors.ink } })],
      xaxis: axis(colors, f.time.slice(0, 60), { showgrid: false, showline: true, ticks: "outside", ticklen: 4, nticks: wide() ? 12 : 4, tickangle: 0 }), yaxis: axis(colors, wide() ? f.target.slice(0, 40) : "") }];
  }

  // A bar as high as its row for each pair that occurs; plotly's basic bundle has no heat maps.
  function confusion(box, colors) {
    const c = data.confusion, names = c.classes.map((name) => short(name, 24));
    const classes = (title, range, most) => {
      const some = names.map((_, i) => i).filter((i) => i % Math.ceil(names.length / most) === 0);
      return axis(colors, title, { showgrid: false, range, tickvals: some, ticktext: some.map((i) => names[i]) });
    };
    return [[{
      type: "bar", x: c.predicted, base: c.true.map((i) => i - 0.5), y: c.true.map(() => 1), width: 1,
      marker: { color: c.shares, cmin: 0, cmax: 1, colorscale: [[0, colors.card], [1, colors.training]], colorbar: { outlinewidth: 0, tickformat: ".0%", thickness: 12 }, line: { width: 0 } },
      customdata: c.shares.map((share, k) => [names[c.true[k]], names[c.predicted[k]], c.counts[k], share]),
      hovertemplate: "true %{customdata[0]}<br>predicted %{customdata[1]}<br>%{customdata[2]:.1f} samples (%{customdata[3]:.0%})<extra></extra>",
    }], { height: 640, margin: { l: 60, r: 10, t: 10, b: 60 }, barmode: "overlay", xaxis: classes("predicted", [-0.5, names.length - 0.5], wide() ? 40 : 20), yaxis: classes("true", [names.length - 0.5, -0.5], 40) }];
  }

  // --- the pages about a choice ----------------------------------------------------------------------------

  // An interval of two repeats is wider than everything: it is cut off at the edge of the picture.
  const clipped = (seen) => span(seen, 0.75);

  function dots(box, colors) {
    const all = data.settings, log = ticked("dots", "log");
    const seen = all.flatMap((s) => [s.mean, ...s.values]).filter(known);
    const names = all.map((s) => folded(s.name, wide() ? 30 : 15)), step = Math.max(30, 10 + 17 * Math.max(...names.map((rows) => rows.length)));
    const [lower, upper] = clipped(seen), floor = Math.min(...seen.filter((u) => u > 0)) / 2;
    const fits = (v) => (!known(v) ? null : log ? Math.max(v, floor) : Math.min(Math.max(v, lower), upper));
    const at = new Map(all.map((s, i) => [s, i]));
    const faint = all.flatMap((s) => s.values.map((v, i) => [v, at.get(s) + ((i % 5) - 2) * 0.055])).filter(([v]) => known(v));
    const traces = [{ x: faint.map((p) => p[0]), y: faint.map((p) => p[1]), mode: "markers", marker: { size: 4.5, color: tint(colors.soft, 0.42) }, ...silent }];
    for (const status of ORDER)
      traces.push(bars(all.filter((s) => s.status === status), { at: (s) => at.get(s), low: (s) => fits(s.low), high: (s) => fits(s.high), flat: true, color: mark(colors, status).color, width: 2.4 }));
    const hover = (s) => `<b>${escape(s.name)}</b><br>${STANDS[s.status]}<br>${escape(data.monitored)} ${value(s.mean)} (${range(s.low, s.high, value)})<br>${s.repeats} repeats`;
    traces.push(...marks(all.filter((s) => known(s.mean)), colors, (s) => [s.mean, at.get(s)], hover));
    const shown = all.flatMap((s) => [...s.values, fits(s.low), fits(s.high), s.mean]), title = data.monitored + aside(better);
    return [traces, {
      height: Math.max(220, step * all.length + 90), margin: { l: 10, r: 12, t: 8, b: 46 },
      annotations: all.filter((s) => !known(s.mean)).map((s) => note("⚡ not finite in any repeat", { xref: "paper", x: 0.01, xanchor: "left", y: at.get(s), yanchor: "middle", font: { color: colors.soft } })),
      xaxis: log ? logAxis(colors, title, shown, { pixels: room(box) }) : axis(colors, title, { range: span(shown), nticks: wide() ? 9 : 5 }),
      yaxis: axis(colors, "", { tickmode: "array", tickvals: all.map((_, i) => i), ticktext: names.map((rows, i) => (all[i].status === "best" ? `<b>${rows.join("<br>")}</b>` : rows.join("<br>"))), range: [all.length - 0.4, -0.6], fixedrange: true, ticklabelstandoff: 6, gridcolor: tint(colors.line, 0.6) }),
    }];
  }

  const hidden = new Set();

  // The names of the lines below their figure, as buttons that switch them on and off.
  function key(box, which, colors) {
    if (which.lines.length < 2) return;
    const list = box.nextElementSibling.className === "key" ? box.nextElementSibling : Object.assign(document.createElement("div"), { className: "key" });
    if (!list.parentElement) box.after(list);
    const held = document.activeElement && document.activeElement.parentElement === list ? [...list.children].indexOf(document.activeElement) : -1;
    const button = (html, pressed, act) => {
      const made = Object.assign(document.createElement("button"), { type: "button", innerHTML: html });
      if (pressed !== null) made.setAttribute("aria-pressed", String(pressed));
      made.addEventListener("click", () => { act(); draw("lines"); });
      return made;
    };
    const sign = { best: " ◆", tied: " ●", worse: " ○", dropped: " ✕", diverged: " ⚡" };
    const names = which.lines.map((line, i) => button(
      `<svg width="30" height="10" aria-hidden="true"><line x1="0" x2="30" y1="5" y2="5" stroke="${colorOf(line, colors)}" stroke-width="${line.status === "best" ? 4 : 2.4}" stroke-dasharray="${DASHES[i % 4][1]}"/></svg>${escape(line.name)}${sign[line.status] || ""}`,
      !hidden.has(line.name), () => hidden.delete(line.name) || hidden.add(line.name)));
    const every = which.lines.map((line) => line.name);
    const more = which.lines.length < 4 ? [] : [button("show all", null, () => hidden.clear()), button("hide all", null, () => every.forEach((name) => hidden.add(name)))];
    list.replaceChildren(...names, ...more);
    if (held >= 0) list.children[held].focus();
  }

  function lines(box, colors) {
    const all = data.curves, which = all.quantities[Number(chosen("lines", "quantity") || 0)] || all.quantities[0];
    const along = chosen("lines", "x") || "epochs", logx = ticked("lines", "logx"), logy = ticked("lines", "logy") && which.lines.every((l) => l.mean.every((v) => !known(v) || v > 0));
    const bands = !field("lines", "bands") || ticked("lines", "bands"), traces = [], seen = [], xs = [];
    const fits = positive(logy);
    which.lines.forEach((one, i) => {
      if (hidden.has(one.name)) return;
      const color = colorOf(one, colors);
      const x = all.x[one.source][along].map((v) => (logx && v <= 0 ? null : v));
      const y = one.mean.map((v, k) => (known(x[k]) ? fits(v) : null));
      if (bands) traces.push(...band(x, one.low.map(aboveZero(logy)), one.high.map(fits), color, 0.13));
      const text = y.map((v, k) => `${value(v)}${known(one.low[k]) ? ` (${range(one.low[k], one.high[k], value)})` : ""}`);
      traces.push({ x, y, mode: "lines", line: { color, width: one.status === "best" ? 3.2 : 2, dash: DASHES[i % 4][0] }, text, hovertemplate: `<b>${short(one.name, 40)}</b><br>${X[along]} %{x:,.4~g}<br>%{text}<extra></extra>` });
      seen.push(...y.filter(known));
      xs.push(...x.filter(known));
    });
    seen.sort((a, b) => a - b);
    if (!seen.length) seen.push(0, 1);
    // The first steps of a diverging training would hide all the rest.
    const inner = seen.slice(Math.floor(seen.length * 0.004), Math.max(1, Math.ceil(seen.length * 0.96)));
    if (known(which.target)) inner.push(which.target);
    const shapes = [], notes = [], end = Math.max(0, highest(xs));
    if (known(which.target)) {
      shapes.push(level(which.target, colors.soft, { layer: "above" }));
      notes.push(note("target", { xref: "paper", x: 0, xanchor: "left", xshift: 6, y: logy ? Math.log10(which.target) : which.target, yanchor: data.higher ? "bottom" : "top", bgcolor: tint(colors.card, 0.7), font: { color: colors.soft } }));
    }
    if (all.best && known(all.best[along])) {
      const at = all.best[along];
      shapes.push(upright(at, colors.ink, { layer: "above" }));
      notes.push(note(wide() ? " advised: stop here " : " advised ", { x: logx ? Math.log10(at) : at, xanchor: at > 0.6 * end ? "right" : "left", yref: "paper", y: 1, yanchor: "top", font: { color: colors.ink } }));
    }
    key(box, which, colors);
    return [traces, {
      height: wide() ? 440 : 360, margin: { l: 52, r: 12, t: 34, b: 50 }, shapes, annotations: [...notes, above(`<b>${escape(which.name)}</b>`, colors)],
      xaxis: logx ? logAxis(colors, X[along], xs, { pad: 0.01, pixels: room(box) }) : axis(colors, X[along], { range: [0, end * 1.01 || 1], showgrid: false, showline: true, nticks: wide() ? 9 : 5 }),
      yaxis: logy ? logAxis(colors, "", inner, { upright: true }) : axis(colors, "", { range: span(inner), nticks: 7 }),
    }];
  }

  // Names beside their points, the best one's first; one that would cover another or a point is left out.
  function beside(all, named, { at, ranges, size, colors }) {
    const spot = (s) => at(s).map((v, i) => (v - ranges[i][0]) / (ranges[i][1] - ranges[i][0]) * size[i]);
    const taken = all.map((s) => { const [x, y] = spot(s); return [x - 7, x + 7, y - 7, y + 7]; }), notes = [];
    for (const s of [...named].sort((a, b) => ORDER.indexOf(b.status) - ORDER.indexOf(a.status))) {
      const [x, y] = spot(s), long = 6.5 * s.name.length;
      const free = [1, -1, 19, -19].flatMap((up) => [[1, up], [-1, up]]).find(([side, up]) => {
        const [left, low] = [side > 0 ? x + 8 : x - 8 - long, up > 0 ? y + up : y + up - 16], own = [left, left + long, low, low + 16];
        if (left < 0 || own[1] > size[0] || low < 0 || own[3] > size[1]) return false;
        if (taken.some((other) => own[0] < other[1] && other[0] < own[1] && own[2] < other[3] && other[2] < own[3])) return false;
        return taken.push(own);
      });
      if (free) notes.push(note(escape(s.name), { x: at(s)[0], y: at(s)[1], xanchor: free[0] > 0 ? "left" : "right", xshift: 9 * free[0], yanchor: free[1] > 0 ? "bottom" : "top", yshift: free[1], font: { size: 12, color: s.status === "best" ? colors.ink : colors.soft } }));
    }
    return notes;
  }

  function trade(box, colors) {
    const unit = chosen("trade", "unit") || (form("trade") ? "" : "seconds") || "seconds";
    const all = data.settings.filter((s) => known(s.mean) && known(s[unit]) && s[unit] > 0), cost = unit === "seconds" ? duration : value;
    const seen = all.flatMap((s) => s.values).filter(known), [lower, upper] = clipped(seen);
    const fits = (v) => (known(v) ? Math.min(Math.max(v, lower), upper) : null);
    const traces = ORDER.map((status) => bars(all.filter((s) => s.status === status), { at: (s) => s[unit], low: (s) => fits(s.low), high: (s) => fits(s.high), color: mark(colors, status).color, width: 1.8 }));
    const hover = (s) => `<b>${escape(s.name)}</b><br>${STANDS[s.status]}<br>${cost(s[unit])}${unit === "seconds" ? "" : " " + unit}<br>${escape(data.monitored)} ${value(s.mean)} (${range(s.low, s.high, value)})`;
    traces.push(...marks(all, colors, (s) => [s[unit], s.mean], hover));
    const height = wide() ? 400 : 360, margin = { l: 56, r: 28, t: 34, b: 48 };
    const xaxis = logAxis(colors, `${unit} of one training`, all.map((s) => s[unit]), { write: cost, pad: 0.12, pixels: room(box) });
    const yaxis = axis(colors, "", { range: span(all.flatMap((s) => [...s.values, fits(s.low), fits(s.high)])), nticks: 7 });
    const named = wide() || all.length <= 4 ? all : all.filter((s) => s.status === "best");
    const notes = beside(all, named, { at: (s) => [Math.log10(s[unit]), s.mean], ranges: [xaxis.range, yaxis.range], size: [box.clientWidth - margin.l - margin.r, height - margin.t - margin.b], colors });
    return [traces, {
      height, margin, xaxis, yaxis,
      annotations: [...notes, above(`<b>${escape(data.monitored)}</b>${aside(better)}`, colors)],
    }];
  }

  const missedMark = (colors) => ({ symbol: "triangle-up-open", size: 12, color: colors.soft, line: { width: 2, color: colors.soft } });

  function work(box, colors) {
    const ert = data.ert, points = ert.points.filter((p) => known(p.at) && p.at > 0), missed = points.filter((p) => p.reached === 0), there = points.filter((p) => p.reached);
    const sizes = points.map((p) => p.batch), middle = points.map((p) => p.at);
    const upper = highest(middle) * 5, lower = lowest(middle) / 5;
    const heights = [...middle, ...there.flatMap((p) => [known(p.low) ? Math.max(p.low, lower) : null, known(p.high) ? Math.min(p.high, upper) : null])];
    const x = logAxis(colors, "batch size (samples per update)", sizes, { at: sizes, pad: 0.1, pixels: room(box) });
    const y = logAxis(colors, "", heights, { upright: true, pad: 0.1, room: ert.estimated ? 0.14 : 0, pixels: 400 });
    const inside = (v) => Math.min(Math.max(v, 10 ** y.range[0]), 10 ** y.range[1]);
    const shapes = [], notes = [], traces = [];
    const dashed = { mode: "lines", line: { color: colors.soft, width: 1.1, dash: "dash" }, ...silent };
    if (ert.curve && ert.estimated) {
      const [left, right] = x.range.map((v) => 10 ** v);
      const turn = ert.unbounded ? right : Math.min(Math.max(ert.critical_batch_size || left, left), right);
      const share = (Math.log10(turn) - x.range[0]) / (x.range[1] - x.range[0]);
      shapes.push(area(left, turn, tint(colors.training, 0.09)), area(turn, right, tint(colors.validation, 0.09)));
      const [from, to] = ert.interval, sides = [[0, share, "twice the batch<br>halves the updates"], [share, 1, "twice the batch<br>buys nothing"]];
      for (const [a, b, text] of sides) if ((b - a) * room(box) > (wide() ? 160 : 130))
        notes.push(note(text, { xref: "paper", x: (a + b) / 2, xanchor: "center", yref: "paper", y: 0.98, yanchor: "top", bgcolor: tint(colors.card, 0.55), font: { size: wide() ? 14 : 12, color: colors.ink } }));
      if (share > 0.001 && share < 0.999) {
        if (known(from) || known(to)) shapes.push(area(Math.max(from || left, left), Math.min(to || right, right), tint(colors.soft, 0.1)));
        shapes.push(upright(turn, colors.soft, { layer: "above" }));
        notes.push(note(` critical batch size ${value(turn)} `, { x: Math.log10(turn), xanchor: share > 0.6 ? "right" : "left", yref: "paper", y: 1, yanchor: "bottom", font: { size: 12.5, color: colors.ink } }));
      }
      const falls = ert.constant_samples.map((v) => (known(v) && v >= 10 ** y.range[0] && v <= 10 ** y.range[1] ? v : null));
      traces.push({ x: ert.curve.x, y: falls, ...dashed }, { x: [left, right], y: [ert.fewest, ert.fewest].map((v) => (v > 10 ** y.range[0] ? v : null)), ...dashed });
    }
    if (ert.curve) traces.push({ x: ert.curve.x, y: ert.curve.y, mode: "lines", line: { color: colors.ink, width: 2 }, ...silent });
    for (const status of ORDER) traces.push(bars(there.filter((p) => p.status === status), { at: (p) => p.batch, low: (p) => (known(p.low) ? inside(p.low) : null), high: (p) => (p.high_is_infinite ? 10 ** y.range[1] : known(p.high) ? inside(p.high) : null), color: mark(colors, status).color }));
    traces.push(...marks(there, colors, (p) => [p.batch, p.at], (p) => `<b>${escape(p.name)}</b><br>${escape(p.text).replaceAll("; ", "<br>")}`));
    traces.push({ x: missed.map((p) => p.batch), y: missed.map((p) => p.at), mode: "markers+text", text: missed.map(() => " not reached "), textposition: missed.map((p) => (2 * Math.log10(p.batch) > x.range[0] + x.range[1] ? "middle left" : "middle right")), textfont: { size: 12, color: colors.soft }, cliponaxis: false, marker: missedMark(colors), customdata: missed.map((p) => `<b>${escape(p.name)}</b><br>${escape(p.text)}`), hovertemplate: "%{customdata}<extra></extra>" });
    return [traces, {
      height: wide() ? 440 : 400, margin: { l: 56, r: 14, t: 56, b: 48 }, shapes, xaxis: x, yaxis: y,
      annotations: [...notes, above(`<b>updates to the target</b>${aside("fewer is better")}`, colors, { yshift: 24 })],
    }];
  }

  // Without what is far worse than three quarters of it, as of a training that diverged.
  function usual(seen) {
    const all = [...seen].sort((a, b) => a - b), at = (share) => all[Math.round(share * (all.length - 1))], reach = 4 * (at(0.75) - at(0.25));
    return all.filter((v) => (data.higher ? v >= at(0.25) - reach : v <= at(0.75) + reach));
  }

  function costs(box, colors) {
    const { goal, points } = data.cost, linear = goal === "quality", write = goal === "time" ? duration : value;
    const all = points.filter((p) => known(p.at)), there = all.filter((p) => !p.missed), missed = all.filter((p) => p.missed);
    const what = { time: "time to the target", samples: "samples to the target", updates: "updates to the target", quality: data.monitored }[goal];
    // Rates of one batch size stand side by side.
    for (const p of all) {
      const same = all.filter((q) => q.batch === p.batch), i = same.indexOf(p) - (same.length - 1) / 2;
      p.place = p.batch * 2 ** (i * Math.min(0.11, 0.6 / same.length));
    }
    const best = new Map(), sign = linear && data.higher ? -1 : 1;
    for (const p of there) if (!best.has(p.batch) || sign * p.at < sign * best.get(p.batch).at) best.set(p.batch, p);
    const path = [...best.values()].sort((a, b) => a.batch - b.batch);
    const inner = linear ? usual(all.map((p) => p.at)) : all.map((p) => p.at), low = lowest(inner) / 4, high = highest(inner) * 4, [under, over] = clipped(inner);
    const near = there.filter((p) => inner.includes(p.at)), far = there.filter((p) => !inner.includes(p.at));
    const cut = (v) => (!known(v) ? null : linear ? Math.min(Math.max(v, under), over) : Math.min(Math.max(v, low), high));
    const seen = [...inner, ...near.flatMap((p) => [cut(p.low), p.high_is_infinite ? null : cut(p.high)])];
    const y = linear ? axis(colors, "", { range: span(seen), nticks: 7 }) : logAxis(colors, "", seen, { upright: true, write, pad: 0.08, pixels: 400 });
    const top = linear ? y.range[1] : 10 ** y.range[1], edge = data.higher ? y.range[0] : top;
    const traces = [{ x: path.map((p) => p.place), y: path.map((p) => (far.includes(p) ? edge : p.at)), mode: "lines", line: { color: tint(colors.soft, 0.55), width: 1.6 }, ...silent }];
    for (const status of ORDER) traces.push(bars(near.filter((p) => p.status === status), { at: (p) => p.place, low: (p) => cut(p.low), high: (p) => (p.high_is_infinite ? top : cut(p.high)), color: mark(colors, status).color }));
    const hover = (p) => `<b>batch size ${value(p.batch)}</b>${known(p.rate) ? `<br>learning rate ${value(p.rate)}` : ""}<br>${p.missed ? "target not reached; at least " : ""}${write(p.at)}${p.missed ? "" : ` (${range(p.low, p.high, write)})`}<br>reached in ${p.reached} of ${p.repeats} repeats`;
    traces.push(...marks(near, colors, (p) => [p.place, p.at], hover));
    traces.push({ x: far.map((p) => p.place), y: far.map(() => edge), mode: "markers", cliponaxis: false, marker: { ...missedMark(colors), symbol: data.higher ? "triangle-down-open" : "triangle-up-open" }, text: far.map(hover), hovertemplate: "%{text}<extra></extra>" });
    traces.push({ x: missed.map((p) => p.place), y: missed.map((p) => p.at), mode: "markers", marker: missedMark(colors), text: missed.map(hover), hovertemplate: "%{text}<extra></extra>" });
    const chosenOne = there.find((p) => p.status === "best"), notes = [];
    if (chosenOne) notes.push({ x: Math.log10(chosenOne.place), y: linear ? chosenOne.at : Math.log10(chosenOne.at), ax: 0, ay: linear && data.higher ? -44 : 44, yanchor: linear && data.higher ? "bottom" : "top", text: `<b>advised: ${value(chosenOne.batch)}</b>`, arrowhead: 0, arrowcolor: colors.good, arrowwidth: 1.4, standoff: 9, font: { color: colors.good, size: 13.5 }, bgcolor: tint(colors.card, 0.8) });
    if (!linear && chosenOne) y.range = [y.range[0] - 0.16 * (y.range[1] - y.range[0]), y.range[1]];
    return [traces, {
      height: wide() ? 420 : 380, margin: { l: 56, r: 14, t: 36, b: 48 }, yaxis: y,
      xaxis: logAxis(colors, "batch size (samples per update)", all.map((p) => p.place), { at: all.map((p) => p.batch), pad: 0.08, pixels: room(box) }),
      annotations: [...notes, above(`<b>${escape(what)}</b>${aside((linear ? better : "less is better") + (far.length ? `; ${far.length} far worse beyond the edge, ${data.higher ? "▽" : "△"}` : ""))}`, colors)],
    }];
  }

  function clock(box, colors) {
    const t = data.timing, points = t.batch.map((batch, i) => ({ batch, at: t.seconds[i], half: (t.relative_excess[i] || 0) / 2, status: batch === t.advised ? "best" : "tied" })).filter((p) => p.at > 0);
    const traces = [];
    if (t.line) traces.push({ x: t.line.x, y: t.line.y.map((v) => (v > 0 ? v : null)), mode: "lines", line: { color: colors.soft, width: 1.4, dash: "dash" }, ...silent });
    traces.push(bars(points, { at: (p) => p.batch, low: (p) => p.at * Math.max(0.05, 1 - p.half), high: (p) => p.at * (1 + p.half), color: colors.training }));
    traces.push(...marks(points, colors, (p) => [p.batch, p.at], (p) => `<b>batch size ${value(p.batch)}</b><br>${duration(p.at)} an update<br>${duration(p.at / p.batch)} a sample`));
    return [traces, {
      height: 340, margin: { l: 56, r: 14, t: 34, b: 48 },
      xaxis: logAxis(colors, "batch size (samples per update)", t.batch, { at: t.batch, pad: 0.08, pixels: room(box) }),
      yaxis: logAxis(colors, "", points.map((p) => p.at), { upright: true, write: duration, pad: 0.15, pixels: 400 }),
      annotations: [above("<b>time of one update</b>", colors)],
    }];
  }

  function stops(box, colors) {
    const e = data.epochs, points = e.best.map((at, i) => ({ at, late: e.improving[i] })).filter((p) => known(p.at)).sort((a, b) => a.at - b.at);
    const high = (i) => ((i * 7) % 11) / 11 - 0.45;
    const seen = [...points.map((p) => p.at), e.advised, e.low, e.high].filter(known), last = Math.max(...seen, 1);
    const dotsOf = (late, symbol, color) => {
      const here = points.map((p, i) => [p, high(i)]).filter(([p]) => !!p.late === late);
      return { x: here.map(([p]) => p.at), y: here.map(([, y]) => y), mode: "markers", marker: { symbol, size: 11, color, opacity: 0.85, line: { width: late ? 2 : 0, color } }, hovertemplate: `best at epoch %{x:,.4~g}${late ? ", still improving" : ""}<extra></extra>` };
    };
    const shapes = [area(known(e.low) ? e.low : e.advised, known(e.high) ? e.high : last * 1.08, tint(colors.good, 0.12))];
    if (known(e.advised)) shapes.push(upright(e.advised, colors.good, { line: { color: colors.good, width: 2 }, layer: "above" }));
    return [[dotsOf(false, "circle", colors.training), dotsOf(true, "triangle-right-open", colors.validation)], {
      height: 220, margin: { l: 14, r: 14, t: 30, b: 48 }, shapes,
      annotations: known(e.advised) ? [note(`<b>advised: ${value(e.advised)}</b>`, { x: e.advised, xanchor: e.advised > 0.7 * last ? "right" : "left", yref: "paper", y: 1, yanchor: "bottom", font: { color: colors.good, size: 13.5 } })] : [],
      xaxis: axis(colors, "epoch (passes through the training samples)", { range: [0, last * 1.08], nticks: wide() ? 10 : 5 }),
      yaxis: axis(colors, "", { range: [-0.8, 0.8], showticklabels: false, showgrid: false, fixedrange: true }),
    }];
  }

  // --- when and where --------------------------------------------------------------------------------------

  const figures = { forecast, scatter: data.residuals && scatter, histogram: data.residuals && histogram, confusion, dots, lines, trade, work, costs, clock, stops };
  const boxes = Object.entries(figures).map(([name, how]) => [name, document.getElementById(name), how]);
  (data.precision_recall || []).forEach((spec, i) => boxes.push(["tradeoff", document.getElementById(`tradeoff-${i}`), tradeoff(spec)]));
  (data.panels || []).forEach((spec, i) => {
    const box = Object.assign(document.createElement("div"), { className: "chart" });
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `Learning curves: ${spec.title}`);
    document.getElementById("panels").append(box);
    boxes.push(["panels", box, panel(spec, i === data.panels.length - 1)]);
  });

  function draw(only) {
    const colors = ink();
    for (const [name, box, how] of boxes) {
      if (!box || !how || (only && only !== name)) continue;
      const [traces, more] = how(box, colors);
      Plotly.react(box, traces, layout(colors, more), config);
    }
  }

  // Curves over costs that differ a lot are only to be read on a logarithmic axis.
  function suit() {
    const log = field("lines", "logx"), along = chosen("lines", "x");
    const last = data.curves.x.map((x) => Math.max(...x[along].filter(known), 0)).filter((v) => v > 0);
    if (log) log.checked = last.length > 1 && Math.max(...last) > 6 * Math.min(...last);
  }

  function prepare() {
    const loss = data.panels && data.panels[0], first = field("panels", "log");
    if (first) {
      const seen = loss.lines.flatMap((one) => one.mean.filter(known));
      first.parentElement.hidden = loss.kind !== "loss" || !loss.log_possible;
      first.checked = !first.parentElement.hidden && highest(seen) > 30 * lowest(seen);
    }
    const select = field("lines", "quantity");
    if (select) {
      data.curves.quantities.forEach((quantity, i) => select.add(new Option(quantity.name, String(i))));
      select.parentElement.hidden = data.curves.quantities.length < 2;
      const seen = data.curves.quantities[0].lines.flatMap((line) => line.mean.filter(known)), logy = field("lines", "logy");
      logy.checked = Math.min(...seen) > 0 && Math.max(...seen) > 30 * Math.min(...seen);
      logy.parentElement.hidden = !seen.every((v) => v > 0);
      // More bands than these only make mud.
      const bands = field("lines", "bands");
      if (bands) bands.checked = data.curves.quantities[0].lines.length <= 8;
    }
    const log = field("dots", "log");
    if (log) {
      const means = data.settings.flatMap((s) => [s.mean, ...s.values]).filter(known);
      log.parentElement.hidden = !(means.length && Math.min(...means) > 0 && Math.max(...means) > 4 * Math.min(...means));
      log.checked = !log.parentElement.hidden && Math.max(...means) > 15 * Math.min(...means);
    }
    for (const one of document.querySelectorAll("form.controls")) {
      one.addEventListener("submit", (event) => event.preventDefault());
      one.addEventListener("change", (event) => { if (one.dataset.for === "lines" && event.target.name === "x") suit(); draw(one.dataset.for); });
    }
  }

  // A heading sorts its table: first upwards, then downwards; what has no value stays last.
  for (const button of document.querySelectorAll("table.sortable thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), table = head.closest("table"), column = head.cellIndex;
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1, key = (row) => row.cells[column].dataset.sort;
      for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows], numeric = rows.every((row) => key(row) === "" || !Number.isNaN(Number(key(row))));
      rows.sort((a, b) => {
        const [one, two] = [key(a), key(b)];
        if (one === "" || two === "") return (one === "") - (two === "");
        return way * (numeric ? Number(one) - Number(two) : one.localeCompare(two, "en", { numeric: true }));
      });
      table.tBodies[0].append(...rows);
    });
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const from = document.getElementById(button.dataset.copy);
      getSelection().selectAllChildren(from);
      try { await navigator.clipboard.writeText(from.textContent); } catch { document.execCommand("copy"); }
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  }

  prepare();
  draw();
  let drawnAt = document.body.clientWidth;
  new ResizeObserver(() => {
    if (printing || drawnAt === document.body.clientWidth) return;
    drawnAt = document.body.clientWidth;
    draw();
  }).observe(document.body);
  for (const query of ["(prefers-color-scheme: dark)", "(max-width: 760px)"]) matchMedia(query).addEventListener("change", () => draw());
  addEventListener("beforeprint", () => { printing = true; draw(); });
  addEventListener("afterprint", () => { printing = false; draw(); });
})();
