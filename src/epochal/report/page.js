"use strict";
(() => {
  const data = JSON.parse(document.getElementById("figures").textContent);
  const wide = () => window.innerWidth > 760;
  const ROLES = { running: "training, running", train: "training, fixed", validation: "validation", test: "test" };
  const X = { epochs: "epoch", updates: "update", samples: "samples seen", seconds: "seconds" };
  const panels = [];
  let printing = false;

  // By numbers, since Plotly knows few names of signs; with the percent sign, which begins a field of its templates.
  const escape = (text) => String(text).replace(/[&<>"'%]/g, (c) => `&#${c.charCodeAt(0)};`);
  const short = (name, most) => escape(name.length > most ? name.slice(0, most - 1) + "…" : name);

  // Colors live in the style sheet only; a figure reads them whenever it is drawn.
  function ink() {
    const style = getComputedStyle(document.documentElement);
    const light = { text: "#1a202b", soft: "#566173", line: "#e0e4ea", card: "#ffffff", train: "#2563b0", running: "#7b5cc4", validation: "#c2501a", test: "#1b7a63" };
    if (printing) return light;
    const of = (name) => style.getPropertyValue("--" + name).trim();
    return { text: of("ink"), soft: of("soft"), line: of("line"), card: of("card"), train: of("training"), running: of("running"), validation: of("validation"), test: of("test") };
  }

  function tint(hex, alpha) {
    const n = parseInt(hex.slice(1), 16);
    return `rgba(${n >> 16},${(n >> 8) & 255},${n & 255},${alpha})`;
  }

  function base(colors, more) {
    return Object.assign({
      paper_bgcolor: colors.card, plot_bgcolor: colors.card,
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colors.soft },
      hoverlabel: { bgcolor: colors.card, bordercolor: colors.line, font: { color: colors.text, size: 13 }, namelength: -1 },
      showlegend: false, dragmode: wide() ? "zoom" : false,
      modebar: { bgcolor: "rgba(0,0,0,0)", color: tint(colors.soft, 0.6), activecolor: colors.text },
    }, more);
  }

  const axis = (colors, more) => Object.assign({
    gridcolor: colors.line, zeroline: false, linecolor: colors.soft, tickcolor: colors.soft, ticks: "", automargin: true,
    tickfont: { color: colors.soft }, fixedrange: false,
  }, more);
  // Only buttons that stay in this file: plotly's own set has one that sends the figure to a server.
  const config = {
    responsive: true, displaylogo: false, doubleClick: "reset", displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };

  function value(v) { return v === null ? "" : Math.abs(v) >= 1000 ? v.toLocaleString("en-US", { maximumFractionDigits: 0 }) : String(Number(v.toPrecision(4))); }

  function logTicks([low, high]) {
    const inside = (v) => v > 0 && Math.log10(v) >= low && Math.log10(v) <= high;
    let ticks = [];
    for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8], [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 9]]) {
      ticks = [];
      for (let power = Math.floor(low); power <= Math.ceil(high); power++) for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(3)));
      ticks = ticks.filter(inside);
      if (ticks.length >= 3) break;
    }
    return { tickmode: "array", tickvals: ticks, ticktext: ticks.map((v) => (v < 1e-3 ? v.toExponential() : value(v))) };
  }

  function closed(x, low, high) {
    // The outline of a band, one polygon for each stretch without a gap.
    const xs = [], ys = [];
    for (let i = 0; i < x.length; ) {
      if (low[i] === null || high[i] === null) { i++; continue; }
      let j = i;
      while (j < x.length && low[j] !== null && high[j] !== null) j++;
      if (xs.length) { xs.push(null); ys.push(null); }
      for (let k = i; k < j; k++) { xs.push(x[k]); ys.push(high[k]); }
      for (let k = j - 1; k >= i; k--) { xs.push(x[k]); ys.push(low[k]); }
      i = j;
    }
    return [xs, ys];
  }

  function panel(spec, state, last) {
    const colors = ink(), x = data.x[state.x], traces = [], ends = [];
    const log = state.log && spec.kind === "loss" && spec.log_possible;
    const positive = (v) => (log && v !== null && v <= 0 ? null : v);
    const bounds = [];
    for (const line of spec.lines) {
      const color = colors[line.role] || colors.text;
      if (state.faint) for (const row of line.repeats)
        traces.push({ x, y: row.map(positive), mode: "lines", line: { color: tint(color, 0.24), width: 0.8 }, hoverinfo: "skip" });
      for (const row of line.repeats) for (const v of row) if (v !== null) bounds.push(v);
      if (line.low) {
        // On a logarithmic axis an interval that reaches below 0 goes on to the lower edge.
        const low = line.low.map((v) => (log && v !== null && v <= 0 ? Number.MIN_VALUE ** 0.5 : v));
        const [xs, ys] = closed(x, low, line.high.map(positive));
        if (line.role !== "running") traces.push({ x: xs, y: ys, mode: "lines", fill: "toself", fillcolor: tint(color, 0.17), line: { width: 0 }, hoverinfo: "skip" });
      }
    }
    for (const line of spec.lines) {
      const color = colors[line.role] || colors.text, most = Math.max(...line.count);
      const label = spec.kind === "loss" ? ROLES[line.role] || line.name : { train: "training" }[line.role] || line.role;
      const said = line.mean.map((v, i) => v === null ? "" : escape(value(v)) + (line.low && line.low[i] !== null
        ? `  [${value(line.low[i])}, ${value(line.high[i])}]` : "") + (most > 1 ? `  n = ${line.count[i]}` : ""));
      const y = line.mean.map(positive);
      const width = line.role === "running" ? 1.3 : 2.6;
      const all = y.map((v, i) => (line.count[i] === most ? v : null));
      const dotted = line.count.map((n, i) => n < most || (i + 1 < y.length && line.count[i + 1] < most));
      const speaks = { name: escape(label), text: said };
      traces.push({ x, y: all, mode: "lines", line: { color, width }, hoverinfo: "text+name", ...speaks });
      // Where repeats have stopped; the first point only joins the two.
      if (dotted.some(Boolean)) traces.push({ x, y: y.map((v, i) => (dotted[i] ? v : null)), mode: "lines", line: { color, width, dash: "dot" },
        hoverinfo: line.count.map((n) => (n < most ? "text+name" : "skip")), ...speaks });
      let i = y.length - 1;
      while (i >= 0 && y[i] === null) i--;
      if (i >= 0) { ends.push({ y: y[i], label, color }); }
      for (const v of y) if (v !== null) bounds.push(v);
    }
    if (spec.baseline !== null) bounds.push(spec.baseline);
    bounds.sort((a, b) => a - b);
    const cut = Math.floor(bounds.length * 0.002);
    let low = bounds[cut], high = bounds[bounds.length - 1 - cut];
    if (spec.baseline !== null) { low = Math.min(low, spec.baseline); high = Math.max(high, spec.baseline); }
    if (log) { low = Math.log10(bounds.find((v) => v > 0)); high = Math.log10(high); }
    const margin = 0.06 * (high - low || Math.abs(high) || 1);
    const range = [low - margin, high + margin];

    const shapes = [], notes = [];
    if (spec.baseline !== null && !(log && spec.baseline <= 0)) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: spec.baseline, y1: spec.baseline, line: { color: colors.soft, width: 1.2, dash: "dash" }, layer: "below" });
      if (spec.kind === "loss") notes.push({ xref: "paper", x: 1, xanchor: "right", y: log ? Math.log10(spec.baseline) : spec.baseline, yanchor: "bottom", text: "baseline", showarrow: false, bgcolor: tint(colors.card, 0.7), font: { size: 12, color: colors.soft } });
    }
    if (data.best) {
      const at = data.best[state.x], span = x[x.length - 1] || 1;
      shapes.push({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line: { color: colors.soft, width: 1.2, dash: "dot" }, layer: "below" });
      if (spec.kind === "loss") notes.push({ x: at, xanchor: at > 0.6 * span ? "right" : "left", yref: "paper", y: 1, yanchor: "top", text: ` best epoch ${value(data.best.epochs)} `, showarrow: false, font: { size: 12, color: colors.soft } });
    }
    const labels = wide(), height = labels ? (spec.kind === "loss" ? 400 : 270) : spec.kind === "loss" ? 330 : 230;
    const bottom = last ? 46 : 26;
    if (labels) {
      // Names at the ends of the lines, kept apart.
      const room = height - 34 - bottom, scale = (v) => ((log ? Math.log10(v) : v) - range[0]) / (range[1] - range[0]) * room;
      ends.sort((a, b) => a.y - b.y);
      let floor = -Infinity;
      for (const end of ends) { end.at = Math.max(scale(end.y), floor, 6); floor = end.at + 34; }
      let over = ends.length ? Math.max(0, ends[ends.length - 1].at - (room - 6)) : 0;
      for (let i = ends.length - 1, cap = Infinity; i >= 0 && over > 0; i--) { ends[i].at = Math.min(ends[i].at - (i === ends.length - 1 ? over : 0), cap); cap = ends[i].at - 34; }
      for (const end of ends) notes.push({ xref: "paper", x: 1, xanchor: "left", xshift: 10, yref: "paper", y: end.at / room, yanchor: "middle", align: "left", showarrow: false, text: `${escape(end.label)}<br><b>${value(end.y)}</b>`, font: { size: 12.5, color: end.color } });
    } else {
      notes.push({ xref: "paper", x: 1, xanchor: "right", yref: "paper", y: 1, yanchor: "bottom", yshift: 6, showarrow: false, font: { size: 11.5 },
        text: ends.map((end) => `<span style="color:${end.color}">━ ${escape({ "training, running": "running", "training, fixed": "training" }[end.label] || end.label)}</span>`).join("  ") });
    }
    notes.push({ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false,
      text: `<b>${escape(spec.title)}</b>${log && labels ? " (log scale)" : ""}`, font: { size: 14, color: colors.text } });
    return [traces, base(colors, {
      height, margin: { l: 46, r: labels ? 132 : 10, t: 34, b: bottom }, shapes, annotations: notes, hovermode: "x unified",
      xaxis: axis(colors, { showgrid: false, showline: true, ticks: "outside", ticklen: 4, spikecolor: colors.soft, spikethickness: 1, spikedash: "solid", title: last ? { text: X[state.x], font: { color: colors.soft }, standoff: 8 } : undefined, range: [0, (x[x.length - 1] || 1) * 1.01], hoverformat: state.x === "seconds" ? ".3~f" : ",.4~f", unifiedhovertitle: { text: `${X[state.x]} %{x}` } }),
      yaxis: axis(colors, { type: log ? "log" : "linear", range, nticks: 6, exponentformat: high >= 1000 ? "SI" : "power", automargin: false, ...(log ? logTicks(range) : {}) }),
    })];
  }

  function state() {
    const chosen = document.querySelector("input[name=x]:checked"), log = document.getElementById("log"), faint = document.getElementById("faint");
    return { x: chosen ? chosen.value : "epochs", log: !!(log && log.checked), faint: !faint || faint.checked };
  }

  function residuals() {
    const r = data.residuals, colors = ink();
    if (!r || !r.true.length) return;
    const ends = [Math.min(...r.true, ...r.predicted), Math.max(...r.true, ...r.predicted)];
    Plotly.react("scatter", [
      { x: ends, y: ends, mode: "lines", line: { color: colors.soft, width: 1.2, dash: "dash" }, hoverinfo: "skip" },
      { x: r.true, y: r.predicted, mode: "markers", marker: { color: tint(colors.validation, 0.45), size: 6 }, hovertemplate: "true %{x}<br>predicted %{y}<extra></extra>" },
    ], base(colors, { margin: { l: 56, r: 8, t: 12, b: 46 }, xaxis: axis(colors, { title: { text: "true " + short(r.target, 60) } }), yaxis: axis(colors, { title: { text: "predicted" } }) }), config);
    const middles = r.counts.map((_, i) => (r.edges[i] + r.edges[i + 1]) / 2);
    const ranges = r.counts.map((n, i) => `${value(r.edges[i])} to ${value(r.edges[i + 1])}: ${n.toLocaleString("en-US")}`);
    Plotly.react("histogram", [{ type: "bar", x: middles, y: r.counts, text: ranges, textposition: "none", marker: { color: tint(colors.validation, 0.75) }, hovertemplate: "%{text}<extra></extra>" }],
      base(colors, { margin: { l: 50, r: 8, t: 12, b: wide() ? 46 : 62 }, bargap: 0.06, shapes: [{ type: "line", x0: 0, x1: 0, yref: "paper", y0: 0, y1: 1, line: { color: colors.soft, width: 1.2, dash: "dash" } }],
        xaxis: axis(colors, { showgrid: false, title: { text: `predicted − true${wide() ? " " : "<br>"}(mean ${value(r.mean)}, RMSE ${value(r.rmse)})` } }), yaxis: axis(colors, { title: { text: "samples" } }) }), config);
  }

  function tradeoff() {
    const colors = ink();
    (data.precision_recall || []).forEach((panel, i) => {
      const traces = [], notes = [];
      for (const line of panel.lines) {
        const color = colors[line.role] || colors.text, x = line.recall;
        const steps = (y, more) => ({ x, y, mode: "lines", line: Object.assign({ shape: "vh" }, more), hoverinfo: "skip" });
        for (const row of line.repeats) traces.push(steps(row, { color: tint(color, 0.24), width: 0.8 }));
        if (line.low) {
          traces.push(steps(line.low, { width: 0 }));
          traces.push(Object.assign(steps(line.high, { width: 0 }), { fill: "tonexty", fillcolor: tint(color, 0.17) }));
        }
      }
      panel.lines.forEach((line, row) => {
        const color = colors[line.role] || colors.text;
        const said = line.mean.map((v, k) => escape(value(v)) + (line.low && line.low[k] !== null ? `  [${value(line.low[k])}, ${value(line.high[k])}]` : ""));
        traces.push({ x: line.recall, y: line.mean, mode: "lines", line: { shape: "vh", color, width: 2.6 }, name: escape(ROLES[line.role] || line.role), text: said, hoverinfo: "text+name" });
        notes.push({ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 4 + 18 * (panel.lines.length - 1 - row), showarrow: false,
          text: `${escape(ROLES[line.role] || line.role)}: average precision <b>${escape(line.average)}</b>`, font: { size: wide() ? 12.5 : 11, color } });
      });
      notes.push({ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 4 + 18 * panel.lines.length, showarrow: false, text: `<b>class ${short(panel.name, wide() ? 44 : 26)}</b>`, font: { size: 14, color: colors.text } });
      notes.push({ xref: "paper", x: 0, xanchor: "left", y: panel.base, yanchor: panel.base > 0.85 ? "top" : "bottom", showarrow: false, bgcolor: tint(colors.card, 0.7), text: ` base rate ${value(panel.base)}`, font: { size: 12, color: colors.soft } });
      Plotly.react("tradeoff-" + i, traces, base(colors, { margin: { l: 52, r: 8, t: 30 + 18 * panel.lines.length, b: 46 }, annotations: notes, hovermode: "x unified",
        shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: panel.base, y1: panel.base, line: { color: colors.soft, width: 1.2, dash: "dash" }, layer: "below" }],
        xaxis: axis(colors, { range: [0, 1.004], showgrid: false, showline: true, hoverformat: ".3~f", unifiedhovertitle: { text: "recall %{x}" }, title: { text: "recall" } }), yaxis: axis(colors, { range: [0, 1.02], title: { text: "precision" } }) }), config);
    });
  }

  function forecast() {
    const box = document.getElementById("forecast"), f = data.forecast, colors = ink();
    if (!box || !f) return;
    const chosen = (id) => { const at = document.getElementById(id); return at ? at.selectedIndex : 0; };
    const one = f.series[chosen("forecast-series")], step = chosen("forecast-step");
    const traces = [{ x: one.x, y: one.truth, mode: "lines", name: "true " + escape(f.target), line: { color: colors.text, width: 1.4 } }];
    const shapes = [], names = [["true", colors.text]];
    for (const part of one.parts) {
      const { at, mean, sd } = part.steps[step], color = colors[part.name] || colors.train;
      if (!at.length) continue;
      // Rows that no window forecasts are gaps in the line and in the band.
      const xs = [], ys = [], low = [], high = [], said = [];
      at.forEach((row, i) => {
        if (i && row > at[i - 1] + 1) { xs.push(one.x[at[i - 1] + 1]); ys.push(null); low.push(null); high.push(null); said.push(""); }
        xs.push(one.x[row]); ys.push(mean[i]);
        low.push(sd ? mean[i] - sd[i] : null); high.push(sd ? mean[i] + sd[i] : null);
        said.push(escape(value(mean[i])) + (sd ? ` ± ${value(sd[i])}` : ""));
      });
      if (sd) {
        const [bx, by] = closed(xs, low, high);
        traces.push({ x: bx, y: by, mode: "lines", fill: "toself", fillcolor: tint(color, 0.22), line: { width: 0 }, hoverinfo: "skip" });
      }
      traces.push({ x: xs, y: ys, mode: at.length < 80 ? "lines+markers" : "lines", marker: { size: 5 }, line: { color, width: 2 }, name: escape(part.name) + " forecast", text: said, hoverinfo: "text+name" });
      shapes.push({ type: "line", x0: xs[0], x1: xs[0], yref: "paper", y0: 0, y1: 1, line: { color: colors.soft, width: 1.2, dash: "dot" }, layer: "below" });
      names.push([part.name + " forecast", color]);
    }
    const key = names.map(([name, color]) => `<span style="color:${color}">━ ${escape(name)}</span>`).join("   ");
    Plotly.react(box, traces, base(colors, { margin: { l: 56, r: 10, t: 34, b: 46 }, shapes, hovermode: "x unified",
      annotations: [{ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false, text: key, font: { size: wide() ? 13 : 11.5, color: colors.text } }],
      xaxis: axis(colors, { showgrid: false, showline: true, ticks: "outside", ticklen: 4, nticks: wide() ? 12 : 4, tickangle: 0, title: { text: short(f.time, 60) } }),
      yaxis: axis(colors, { title: wide() ? { text: short(f.target, 40) } : undefined }) }), config);
  }

  // A bar as high as its row for each pair that occurs; plotly's basic bundle has no heat maps.
  function heatmap() {
    const box = document.getElementById("confusion"), c = data.confusion, colors = ink();
    if (!box || !c) return;
    const names = c.classes.map((name) => short(name, 24)), some = names.map((_, i) => i).filter((i) => i % Math.ceil(names.length / (wide() ? 40 : 20)) === 0);
    const classes = (title, range) => axis(colors, { title: { text: title }, showgrid: false, range, tickvals: some, ticktext: some.map((i) => names[i]) });
    Plotly.react(box, [{ type: "bar", x: c.predicted, base: c.true.map((i) => i - 0.5), y: c.true.map(() => 1), width: 1,
      marker: { color: c.shares, cmin: 0, cmax: 1, colorscale: [[0, colors.card], [1, colors.train]], colorbar: { outlinewidth: 0, tickformat: ".0%", thickness: 12 }, line: { width: 0 } },
      customdata: c.shares.map((share, k) => [names[c.true[k]], names[c.predicted[k]], c.counts[k], share]),
      hovertemplate: "true %{customdata[0]}<br>predicted %{customdata[1]}<br>%{customdata[2]:.1f} samples (%{customdata[3]:.0%})<extra></extra>" }],
      base(colors, { margin: { l: 60, r: 10, t: 10, b: 60 }, barmode: "overlay", xaxis: classes("predicted", [-0.5, names.length - 0.5]), yaxis: classes("true", [names.length - 0.5, -0.5]) }), config);
  }

  function draw() {
    const now = state();
    data.panels.forEach((spec, i) => Plotly.react(panels[i], ...panel(spec, now, i === data.panels.length - 1), config));
    forecast();
    residuals();
    tradeoff();
    heatmap();
  }

  const box = document.getElementById("panels");
  if (box) {
    data.panels.forEach((spec, i) => {
      const at = document.createElement("div");
      at.className = "panel" + (spec.kind === "loss" ? "" : " small");
      at.setAttribute("role", "img");
      at.setAttribute("aria-label", `Learning curves: ${spec.title}`);
      box.append(at);
      panels.push(at);
    });
    const first = data.panels[0], log = document.getElementById("log");
    const seen = first.lines.flatMap((line) => line.mean.filter((v) => v !== null));
    if (log && (first.kind !== "loss" || !first.log_possible)) log.parentElement.hidden = true;
    else if (log) log.checked = Math.max(...seen) > 30 * Math.min(...seen);
    const controls = document.querySelector("#curves .controls");
    controls.addEventListener("change", draw);
    controls.addEventListener("submit", (event) => event.preventDefault());
  }
  const choice = document.getElementById("forecast-choice");
  if (choice) choice.addEventListener("change", draw);
  draw();
  let drawnAt = document.body.clientWidth;
  new ResizeObserver(() => {
    if (printing || drawnAt === document.body.clientWidth) return;
    drawnAt = document.body.clientWidth;
    draw();
    for (const figure of document.querySelectorAll(".js-plotly-plot")) Plotly.Plots.resize(figure);
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("(max-width: 760px)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { printing = true; draw(); });
  addEventListener("afterprint", () => { printing = false; draw(); });
})();
