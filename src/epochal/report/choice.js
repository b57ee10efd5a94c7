"use strict";
(() => {
  const data = JSON.parse(document.getElementById("figures").textContent);
  const { wide, escape, short, folded, known, ink, tint, ramp, mark, SAID, value, duration, range, layout, axis, config, logAxis, span, bars, closed } = Draw;
  const X = { epochs: "epoch", updates: "update", samples: "samples seen", seconds: "seconds of training" };
  const better = data.higher ? "higher is better" : "lower is better";
  const ORDER = ["broken", "dropped", "worse", "tied", "best"];
  const room = (box) => Math.max(200, box.clientWidth - 90);

  const aside = (words) => (wide() ? ` (${words})` : "");

  const form = (name) => document.querySelector(`form[data-for="${name}"]`);
  const field = (name, input) => form(name) && form(name).elements[input];
  const chosen = (name, input) => { const found = field(name, input); return found ? found.value : null; };
  const ticked = (name, input) => { const found = field(name, input); return !!(found && found.checked); };

  // Marks for points that stand differently to the best one: a trace for each standing.
  function marks(points, colors, at, text, more = {}) {
    return ORDER.filter((standing) => points.some((p) => p.standing === standing)).map((standing) => {
      const here = points.filter((p) => p.standing === standing);
      return { x: here.map((p) => at(p)[0]), y: here.map((p) => at(p)[1]), mode: "markers", marker: mark(colors, standing), text: here.map(text), hovertemplate: "%{text}<extra></extra>", ...more };
    });
  }

  function clipped(points, seen) {
    // An interval of two repeats is wider than everything: it is cut off at the edge of the picture.
    const low = Math.min(...seen), high = Math.max(...seen), more = 0.75 * (high - low || Math.abs(high) || 1);
    return [low - more, high + more];
  }

  function dots(box, colors) {
    const all = data.settings, log = ticked("dots", "log");
    const seen = all.flatMap((s) => [s.mean, ...s.values]).filter(known);
    const names = all.map((s) => folded(s.name, wide() ? 30 : 15)), step = Math.max(30, 10 + 17 * Math.max(...names.map((rows) => rows.length)));
    const [least, most] = clipped(all, seen);
    const fits = (v) => (!known(v) ? null : log ? Math.max(v, Math.min(...seen.filter((u) => u > 0)) / 2) : Math.min(Math.max(v, least), most));
    const place = new Map(all.map((s, i) => [s, i]));
    const faint = all.flatMap((s) => s.values.map((v, i) => [v, place.get(s) + ((i % 5) - 2) * 0.055])).filter(([v]) => known(v));
    const traces = [{ x: faint.map((p) => p[0]), y: faint.map((p) => p[1]), mode: "markers", marker: { size: 4.5, color: tint(colors.soft, 0.42) }, hoverinfo: "skip" }];
    for (const standing of ORDER) {
      const here = all.filter((s) => s.standing === standing);
      traces.push(bars(here, { at: (s) => place.get(s), low: (s) => fits(s.low), high: (s) => fits(s.high), color: mark(colors, standing).color, width: 2.4 }));
    }
    const said = (s) => `<b>${escape(s.name)}</b><br>${SAID[s.standing]}<br>${escape(data.judged)} ${value(s.mean)} (${range(s.low, s.high, value)})<br>${s.repeats} repeats`;
    traces.push(...marks(all.filter((s) => known(s.mean)), colors, (s) => [s.mean, place.get(s)], said));
    const shown = all.flatMap((s) => [...s.values, fits(s.low), fits(s.high), s.mean]);
    const notes = all.filter((s) => !known(s.mean)).map((s) => ({ xref: "paper", x: 0.01, xanchor: "left", y: place.get(s), yanchor: "middle", text: "⚡ not finite in any repeat", showarrow: false, font: { color: colors.soft } }));
    const title = data.judged + aside(better);
    return [traces, {
      height: Math.max(220, step * all.length + 90), margin: { l: 10, r: 12, t: 8, b: 46 }, annotations: notes,
      xaxis: log ? logAxis(colors, title, shown, { pixels: room(box) }) : axis(colors, title, { range: span(shown), nticks: wide() ? 9 : 5 }),
      yaxis: axis(colors, "", { tickmode: "array", tickvals: all.map((_, i) => i), ticktext: names.map((rows, i) => (all[i].standing === "best" ? `<b>${rows.join("<br>")}</b>` : rows.join("<br>"))), range: [all.length - 0.4, -0.6], fixedrange: true, ticklabelstandoff: 6, gridcolor: tint(colors.line, 0.6) }),
    }];
  }

  const DASHES = [["solid", ""], ["dash", "7 4"], ["dot", "2 3"], ["dashdot", "8 3 2 3"]];
  const colorOf = (line, colors) => line.role ? colors[line.role === "train" ? "training" : line.role] || colors.ink : ramp(colors, line.rank);
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
    const sign = { best: " ◆", tied: " ●", worse: " ○", dropped: " ✕", broken: " ⚡" };
    const names = which.lines.map((line, i) => button(
      `<svg width="30" height="10" aria-hidden="true"><line x1="0" x2="30" y1="5" y2="5" stroke="${colorOf(line, colors)}" stroke-width="${line.standing === "best" ? 4 : 2.4}" stroke-dasharray="${DASHES[i % 4][1]}"/></svg>${escape(line.name)}${sign[line.standing] || ""}`,
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
    const positive = (v) => (logy && known(v) && v <= 0 ? null : v);
    which.lines.forEach((line, i) => {
      if (hidden.has(line.name)) return;
      const color = colorOf(line, colors);
      const x = all.x[line.source][along].map((v) => (logx && v <= 0 ? null : v));
      const y = line.mean.map((v, k) => (known(x[k]) ? positive(v) : null));
      if (bands) {
        const [bx, by] = closed(x, line.low.map((v) => (logy && known(v) && v <= 0 ? Number.MIN_VALUE ** 0.5 : v)), line.high.map(positive));
        if (bx.length) traces.push({ x: bx, y: by, mode: "lines", fill: "toself", fillcolor: tint(color, 0.13), line: { width: 0 }, hoverinfo: "skip" });
      }
      const text = y.map((v, k) => `${value(v)}${known(line.low[k]) ? ` (${range(line.low[k], line.high[k], value)})` : ""}`);
      traces.push({ x, y, mode: "lines", line: { color, width: line.standing === "best" ? 3.2 : 2, dash: DASHES[i % 4][0] }, text, hovertemplate: `<b>${short(line.name, 40)}</b><br>${X[along]} %{x:,.4~g}<br>%{text}<extra></extra>` });
      seen.push(...y.filter(known));
      xs.push(...x.filter(known));
    });
    seen.sort((a, b) => a - b);
    if (!seen.length) seen.push(0, 1);
    // The first steps of a diverging training would hide all the rest.
    const inner = seen.slice(Math.floor(seen.length * 0.004), Math.max(1, Math.ceil(seen.length * 0.96)));
    if (known(which.target)) inner.push(which.target);
    const shapes = [], notes = [], mid = wide();
    if (known(which.target)) {
      shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: which.target, y1: which.target, line: { color: colors.soft, width: 1.3, dash: "dash" } });
      notes.push({ xref: "paper", x: 0, xanchor: "left", xshift: 6, y: logy ? Math.log10(which.target) : which.target, yanchor: data.higher ? "bottom" : "top", text: "target", showarrow: false, bgcolor: tint(colors.card, 0.7), font: { color: colors.soft } });
    }
    if (all.best && known(all.best[along])) {
      const at = all.best[along];
      shapes.push({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line: { color: colors.ink, width: 1.6, dash: "dot" } });
      notes.push({ x: logx ? Math.log10(at) : at, xanchor: at > 0.6 * xs.reduce((most, v) => Math.max(most, v), 0) ? "right" : "left", yref: "paper", y: 1, yanchor: "top", text: mid ? " advised: stop here " : " advised ", showarrow: false, font: { color: colors.ink } });
    }
    key(box, which, colors);
    const end = xs.reduce((most, v) => Math.max(most, v), 0);
    return [traces, {
      height: mid ? 440 : 360, margin: { l: 52, r: 12, t: 34, b: 50 }, shapes,
      annotations: [...notes, { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false, text: `<b>${escape(which.name)}</b>`, font: { size: 14, color: colors.ink } }],
      xaxis: logx ? logAxis(colors, X[along], xs, { pad: 0.01, pixels: room(box) }) : axis(colors, X[along], { range: [0, end * 1.01 || 1], showgrid: false, showline: true, nticks: mid ? 9 : 5 }),
      yaxis: logy ? logAxis(colors, "", inner, { upright: true }) : axis(colors, "", { range: span(inner), nticks: 7 }),
    }];
  }

  // Names beside their points, the best one's first; one that would cover another or a point is left out.
  function beside(all, named, { at, ranges, size, colors }) {
    const place = (s) => at(s).map((v, i) => (v - ranges[i][0]) / (ranges[i][1] - ranges[i][0]) * size[i]);
    const taken = all.map((s) => { const [x, y] = place(s); return [x - 7, x + 7, y - 7, y + 7]; }), notes = [];
    for (const s of [...named].sort((a, b) => ORDER.indexOf(b.standing) - ORDER.indexOf(a.standing))) {
      const [x, y] = place(s), long = 6.5 * s.name.length;
      const free = [1, -1, 19, -19].flatMap((up) => [[1, up], [-1, up]]).find(([side, up]) => {
        const [left, low] = [side > 0 ? x + 8 : x - 8 - long, up > 0 ? y + up : y + up - 16], own = [left, left + long, low, low + 16];
        if (left < 0 || own[1] > size[0] || low < 0 || own[3] > size[1]) return false;
        if (taken.some((other) => own[0] < other[1] && other[0] < own[1] && own[2] < other[3] && other[2] < own[3])) return false;
        return taken.push(own);
      });
      if (free) notes.push({ x: at(s)[0], y: at(s)[1], xanchor: free[0] > 0 ? "left" : "right", xshift: 9 * free[0], yanchor: free[1] > 0 ? "bottom" : "top", yshift: free[1], text: escape(s.name), showarrow: false, font: { size: 12, color: s.standing === "best" ? colors.ink : colors.soft } });
    }
    return notes;
  }

  function trade(box, colors) {
    const unit = chosen("trade", "unit") || (form("trade") ? "" : "seconds") || "seconds";
    const all = data.settings.filter((s) => known(s.mean) && known(s[unit]) && s[unit] > 0), cost = unit === "seconds" ? duration : value;
    const seen = all.flatMap((s) => s.values).filter(known), [least, most] = clipped(all, seen);
    const fits = (v) => (known(v) ? Math.min(Math.max(v, least), most) : null);
    const traces = ORDER.map((standing) => bars(all.filter((s) => s.standing === standing), { at: (s) => s[unit], low: (s) => fits(s.low), high: (s) => fits(s.high), upright: true, color: mark(colors, standing).color, width: 1.8 }));
    const said = (s) => `<b>${escape(s.name)}</b><br>${SAID[s.standing]}<br>${cost(s[unit])}${unit === "seconds" ? "" : " " + unit}<br>${escape(data.judged)} ${value(s.mean)} (${range(s.low, s.high, value)})`;
    traces.push(...marks(all, colors, (s) => [s[unit], s.mean], said));
    const height = wide() ? 400 : 360, margin = { l: 56, r: 28, t: 34, b: 48 };
    const xaxis = logAxis(colors, `${unit} of one training`, all.map((s) => s[unit]), { write: cost, pad: 0.12, pixels: room(box) });
    const yaxis = axis(colors, "", { range: span(all.flatMap((s) => [...s.values, fits(s.low), fits(s.high)])), nticks: 7 });
    const named = wide() || all.length <= 4 ? all : all.filter((s) => s.standing === "best");
    const notes = beside(all, named, { at: (s) => [Math.log10(s[unit]), s.mean], ranges: [xaxis.range, yaxis.range], size: [box.clientWidth - margin.l - margin.r, height - margin.t - margin.b], colors });
    return [traces, {
      height, margin, xaxis, yaxis,
      annotations: [...notes, { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false, text: `<b>${escape(data.judged)}</b>${aside(better)}`, font: { size: 14, color: colors.ink } }],
    }];
  }

  function ends(points, top, low = (p) => p.low, high = (p) => p.high) {
    return points.map((p) => ({ ...p, low: known(low(p)) ? low(p) : null, high: p.open ? top : high(p) }));
  }

  function work(box, colors) {
    const effort = data.effort, points = effort.points.filter((p) => known(p.at) && p.at > 0), missed = points.filter((p) => p.reached === 0), there = points.filter((p) => p.reached);
    const sizes = points.map((p) => p.batch), middle = points.map((p) => p.at);
    const most = Math.max(...middle) * 5, least = Math.min(...middle) / 5;
    const heights = [...middle, ...there.flatMap((p) => [known(p.low) ? Math.max(p.low, least) : null, known(p.high) ? Math.min(p.high, most) : null])];
    const x = logAxis(colors, "batch size (samples per update)", sizes, { at: sizes, pad: 0.1, pixels: room(box) });
    const y = logAxis(colors, "", heights, { upright: true, pad: 0.1, room: effort.turns ? 0.14 : 0, pixels: 400 });
    const inside = (v) => Math.min(Math.max(v, 10 ** y.range[0]), 10 ** y.range[1]);
    const shapes = [], notes = [], traces = [];
    const dashed = { mode: "lines", line: { color: colors.soft, width: 1.1, dash: "dash" }, hoverinfo: "skip" };
    if (effort.curve && effort.turns) {
      const [left, right] = x.range.map((v) => 10 ** v);
      const turn = effort.endless ? right : Math.min(Math.max(effort.critical || left, left), right);
      const share = (Math.log10(turn) - x.range[0]) / (x.range[1] - x.range[0]);
      shapes.push({ type: "rect", x0: left, x1: turn, yref: "paper", y0: 0, y1: 1, fillcolor: tint(colors.training, 0.09), line: { width: 0 }, layer: "below" });
      shapes.push({ type: "rect", x0: turn, x1: right, yref: "paper", y0: 0, y1: 1, fillcolor: tint(colors.validation, 0.09), line: { width: 0 }, layer: "below" });
      const [from, to] = effort.interval, sides = [[0, share, "twice the batch<br>halves the updates", "top", 0.98], [share, 1, "twice the batch<br>buys nothing", "top", 0.98]];
      for (const [a, b, text, anchor, at] of sides) if ((b - a) * room(box) > (wide() ? 160 : 130))
        notes.push({ xref: "paper", x: (a + b) / 2, xanchor: "center", yref: "paper", y: at, yanchor: anchor, text, showarrow: false, bgcolor: tint(colors.card, 0.55), font: { size: wide() ? 14 : 12, color: colors.ink } });
      if (share > 0.001 && share < 0.999) {
        if (known(from) || known(to)) shapes.push({ type: "rect", x0: Math.max(from || left, left), x1: Math.min(to || right, right), yref: "paper", y0: 0, y1: 1, fillcolor: tint(colors.soft, 0.1), line: { width: 0 }, layer: "below" });
        shapes.push({ type: "line", x0: turn, x1: turn, yref: "paper", y0: 0, y1: 1, line: { color: colors.soft, width: 1.3, dash: "dot" } });
        notes.push({ x: Math.log10(turn), xanchor: share > 0.6 ? "right" : "left", yref: "paper", y: 1, yanchor: "bottom", text: ` critical batch size ${value(turn)} `, showarrow: false, font: { size: 12.5, color: colors.ink } });
      }
      const falls = effort.falling.map((v) => (known(v) && v >= 10 ** y.range[0] && v <= 10 ** y.range[1] ? v : null));
      traces.push({ x: effort.curve.x, y: falls, ...dashed }, { x: [left, right], y: [effort.fewest, effort.fewest].map((v) => (v > 10 ** y.range[0] ? v : null)), ...dashed });
    }
    if (effort.curve) traces.push({ x: effort.curve.x, y: effort.curve.y, mode: "lines", line: { color: colors.ink, width: 2 }, hoverinfo: "skip" });
    const drawn = ends(there, 10 ** y.range[1]);
    for (const standing of ORDER) traces.push(bars(drawn.filter((p) => p.standing === standing), { at: (p) => p.batch, low: (p) => (known(p.low) ? inside(p.low) : null), high: (p) => (known(p.high) ? inside(p.high) : null), upright: true, color: mark(colors, standing).color }));
    traces.push(...marks(there, colors, (p) => [p.batch, p.at], (p) => `<b>${escape(p.name)}</b><br>${escape(p.said).replaceAll("; ", "<br>")}`));
    traces.push({ x: missed.map((p) => p.batch), y: missed.map((p) => p.at), mode: "markers+text", text: missed.map(() => " not reached "), textposition: missed.map((p) => (2 * Math.log10(p.batch) > x.range[0] + x.range[1] ? "middle left" : "middle right")), textfont: { size: 12, color: colors.soft }, cliponaxis: false, marker: { symbol: "triangle-up-open", size: 12, color: colors.soft, line: { width: 2, color: colors.soft } }, customdata: missed.map((p) => `<b>${escape(p.name)}</b><br>${escape(p.said)}`), hovertemplate: "%{customdata}<extra></extra>" });
    return [traces, {
      height: wide() ? 440 : 400, margin: { l: 56, r: 14, t: 56, b: 48 }, shapes, xaxis: x, yaxis: y,
      annotations: [...notes, { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 24, showarrow: false, text: `<b>updates to the target</b>${aside("fewer is better")}`, font: { size: 14, color: colors.ink } }],
    }];
  }

  function prices(box, colors) {
    const { goal, points } = data.price, linear = goal === "quality", write = goal === "time" ? duration : value;
    const all = points.filter((p) => known(p.at)), there = all.filter((p) => !p.missed), missed = all.filter((p) => p.missed);
    const what = { time: "time to the target", samples: "samples to the target", updates: "updates to the target", quality: data.judged }[goal];
    // Rates of one batch size stand side by side.
    for (const p of all) {
      const same = all.filter((q) => q.batch === p.batch), i = same.indexOf(p) - (same.length - 1) / 2;
      p.place = p.batch * 2 ** (i * Math.min(0.11, 0.6 / same.length));
    }
    const best = new Map(), sign = linear && data.higher ? -1 : 1;
    for (const p of there) if (!best.has(p.batch) || sign * p.at < sign * best.get(p.batch).at) best.set(p.batch, p);
    const path = [...best.values()].sort((a, b) => a.batch - b.batch);
    const middle = all.map((p) => p.at), low = Math.min(...middle) / 4, high = Math.max(...middle) * 4, [under, over] = clipped(there, middle);
    const cut = (v) => (!known(v) ? null : linear ? Math.min(Math.max(v, under), over) : Math.min(Math.max(v, low), high));
    const seen = [...middle, ...there.flatMap((p) => [cut(p.low), p.open ? null : cut(p.high)])];
    const y = linear ? axis(colors, "", { range: span(seen), nticks: 7 }) : logAxis(colors, "", seen, { upright: true, write, pad: 0.08, pixels: 400 });
    const top = linear ? y.range[1] : 10 ** y.range[1];
    const traces = [{ x: path.map((p) => p.place), y: path.map((p) => p.at), mode: "lines", line: { color: tint(colors.soft, 0.55), width: 1.6 }, hoverinfo: "skip" }];
    for (const standing of ORDER) traces.push(bars(ends(there, top).filter((p) => p.standing === standing), { at: (p) => p.place, low: (p) => cut(p.low), high: (p) => (p.high === top ? top : cut(p.high)), upright: true, color: mark(colors, standing).color }));
    const said = (p) => `<b>batch size ${value(p.batch)}</b>${known(p.rate) ? `<br>learning rate ${value(p.rate)}` : ""}<br>${p.missed ? "target not reached; at least " : ""}${write(p.at)}${p.missed ? "" : ` (${range(p.low, p.high, write)})`}<br>reached in ${p.reached} of ${p.repeats} repeats`;
    traces.push(...marks(there, colors, (p) => [p.place, p.at], said));
    traces.push({ x: missed.map((p) => p.place), y: missed.map((p) => p.at), mode: "markers", marker: { symbol: "triangle-up-open", size: 12, color: colors.soft, line: { width: 2, color: colors.soft } }, text: missed.map(said), hovertemplate: "%{text}<extra></extra>" });
    const chosenOne = there.find((p) => p.standing === "best"), notes = [];
    if (chosenOne) notes.push({ x: Math.log10(chosenOne.place), y: linear ? chosenOne.at : Math.log10(chosenOne.at), ax: 0, ay: linear && data.higher ? -44 : 44, yanchor: linear && data.higher ? "bottom" : "top", text: `<b>advised: ${value(chosenOne.batch)}</b>`, arrowhead: 0, arrowcolor: colors.good, arrowwidth: 1.4, standoff: 9, font: { color: colors.good, size: 13.5 }, bgcolor: tint(colors.card, 0.8) });
    if (!linear && chosenOne) y.range = [y.range[0] - 0.16 * (y.range[1] - y.range[0]), y.range[1]];
    return [traces, {
      height: wide() ? 420 : 380, margin: { l: 56, r: 14, t: 36, b: 48 }, yaxis: y,
      xaxis: logAxis(colors, "batch size (samples per update)", all.map((p) => p.place), { at: all.map((p) => p.batch), pad: 0.08, pixels: room(box) }),
      annotations: [...notes, { xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false, text: `<b>${escape(what)}</b>${aside(linear ? better : "less is better")}`, font: { size: 14, color: colors.ink } }],
    }];
  }

  function clock(box, colors) {
    const t = data.timing, points = t.batch.map((batch, i) => ({ batch, at: t.seconds[i], half: (t.spread[i] || 0) / 2, standing: batch === t.advised ? "best" : "tied" })).filter((p) => p.at > 0);
    const traces = [];
    if (t.line) traces.push({ x: t.line.x, y: t.line.y.map((v) => (v > 0 ? v : null)), mode: "lines", line: { color: colors.soft, width: 1.4, dash: "dash" }, hoverinfo: "skip" });
    traces.push(bars(points, { at: (p) => p.batch, low: (p) => p.at * Math.max(0.05, 1 - p.half), high: (p) => p.at * (1 + p.half), upright: true, color: colors.training }));
    traces.push(...marks(points, colors, (p) => [p.batch, p.at], (p) => `<b>batch size ${value(p.batch)}</b><br>${duration(p.at)} an update<br>${duration(p.at / p.batch)} a sample`));
    return [traces, {
      height: 340, margin: { l: 56, r: 14, t: 34, b: 48 },
      xaxis: logAxis(colors, "batch size (samples per update)", t.batch, { at: t.batch, pad: 0.08, pixels: room(box) }),
      yaxis: logAxis(colors, "", points.map((p) => p.at), { upright: true, write: duration, pad: 0.15, pixels: 400 }),
      annotations: [{ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom", xshift: -4, yshift: 6, showarrow: false, text: "<b>time of one update</b>", font: { size: 14, color: colors.ink } }],
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
    const shapes = [{ type: "rect", x0: known(e.low) ? e.low : e.advised, x1: known(e.high) ? e.high : last * 1.08, yref: "paper", y0: 0, y1: 1, fillcolor: tint(colors.good, 0.12), line: { width: 0 }, layer: "below" }];
    if (known(e.advised)) shapes.push({ type: "line", x0: e.advised, x1: e.advised, yref: "paper", y0: 0, y1: 1, line: { color: colors.good, width: 2 } });
    return [[dotsOf(false, "circle", colors.training), dotsOf(true, "triangle-right-open", colors.validation)], {
      height: 220, margin: { l: 14, r: 14, t: 30, b: 48 }, shapes,
      annotations: known(e.advised) ? [{ x: e.advised, xanchor: e.advised > 0.7 * last ? "right" : "left", yref: "paper", y: 1, yanchor: "bottom", text: `<b>advised: ${value(e.advised)}</b>`, showarrow: false, font: { color: colors.good, size: 13.5 } }] : [],
      xaxis: axis(colors, "epoch (passes through the training samples)", { range: [0, last * 1.08], nticks: wide() ? 10 : 5 }),
      yaxis: axis(colors, "", { range: [-0.8, 0.8], showticklabels: false, showgrid: false, fixedrange: true }),
    }];
  }

  const FIGURES = { dots: data.settings, lines: data.curves, trade: data.settings, work: data.effort, prices: data.price, clock: data.timing, stops: data.epochs };
  const drawing = { dots, lines, trade, work, prices, clock, stops };
  const boxes = Object.keys(drawing).map((name) => [name, document.getElementById(name)]).filter(([name, box]) => box && FIGURES[name]);

  function draw(only) {
    const colors = ink();
    for (const [name, box] of boxes) {
      if (only && only !== name) continue;
      const [traces, more] = drawing[name](box, colors);
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
      one.addEventListener("change", (event) => { if (event.target.name === "x") suit(); draw(one.dataset.for); });
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
    if (Draw.printing || drawnAt === document.body.clientWidth) return;
    drawnAt = document.body.clientWidth;
    draw();
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  addEventListener("beforeprint", () => { Draw.print(true); draw(); });
  addEventListener("afterprint", () => { Draw.print(false); draw(); });
})();
