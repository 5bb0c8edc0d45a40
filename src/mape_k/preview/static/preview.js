"use strict";
// Draws the lines over time of a preview; everything else on the page is drawn already.
(() => {
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const style = getComputedStyle(document.documentElement);
  const resolve = (colour) => {
    const named = /^var\((--[a-z]+)\)$/.exec(colour);
    if (named) return style.getPropertyValue(named[1]).trim();
    return colour === "currentColor" ? style.getPropertyValue("--ink").trim() : colour;
  };
  const faded = (colour, share) => {
    const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
    return found ? `rgba(${found.slice(1).map((part) => parseInt(part, 16)).join(",")},${share})` : colour;
  };

  // numbers, by the same rules as formats.py

  function places(number, decimals) {
    if (decimals !== null && decimals !== undefined) return Math.min(Math.max(decimals, 0), 12);
    if (number === 0 || number % 1 === 0) return 0;
    return Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(number))), 0), 12);
  }

  function written(number, unit, decimals = unit.decimals) {
    let step = unit.steps[0];
    for (const each of unit.steps) if (Math.abs(number) >= each[0]) step = each;
    const value = number / step[1];
    const text = value.toFixed(places(value, decimals));
    return unit.prefix + (Number(text) === 0 ? text.replace("-", "") : text) + step[2];
  }

  function exact(size) {
    return [0, 1, 2, 3, 4, 5, 6].find((digits) => Math.abs(size * 10 ** digits % 1 - 0.5) > 0.4999) ?? 6;
  }

  function tick(split, increment, unit) {
    if (split === null) return "";
    const reached = unit.steps.filter((each, place) => place === 0 || Math.abs(split) >= each[0]);
    const step = reached.findLast((each) => exact(increment / each[1]) <= 3) ?? reached[reached.length - 1];
    const text = (split / step[1]).toFixed(increment ? exact(increment / step[1]) : 0);
    return unit.prefix + (text.includes(".") ? text.replace(/\.?0+$/, "") : text) + step[2];
  }

  function ticks(splits, unit) {
    const increment = splits.length > 1 ? Math.abs(splits[1] - splits[0]) : 0;
    return splits.map((split) => tick(split, increment, unit));
  }

  function splits(unit, isWhole) {
    return (self, axis, low, high, found) => {
      const least = isWhole ? Math.max(found, 1) : found;
      const increment = unit.increments.find((each) => each >= least * 0.999999) ?? least;
      const first = Math.ceil(low / increment - 1e-9), last = Math.floor(high / increment + 1e-9);
      return Array.from({ length: Math.max(last - first + 1, 0) }, (_, place) => Number(((first + place) * increment).toPrecision(12)));
    };
  }

  // lines

  function stackedUp(lines) {
    const sums = [];
    return lines.map((line) => line.values.map((value, place) => {
      if (value === null) return null;
      sums[place] = (sums[place] || 0) + value;
      return sums[place];
    }));
  }

  function seriesOf(plot, line) {
    const colour = resolve(line.colour);
    const fill = plot.bars ? 0.75 : plot.stacked ? 0.3 : 0.09;
    const many = plot.lines.length > 12 && !plot.stacked;
    return {
      label: line.name,
      scale: line.axis,
      stroke: colour,
      width: plot.bars ? 0 : 1.5,
      fill: many ? undefined : faded(colour, fill),
      points: { show: line.values.filter((value) => value !== null).length < 3 },
      paths: plot.bars ? uPlot.paths.bars({ size: [0.8, 60] }) : undefined,
    };
  }

  function moments(self, splits, place, space, increment) {
    return splits.map((seconds) => {
      const text = new Date(1000 * seconds).toISOString();
      if (increment >= 86400) return text.slice(5, 10);
      const atMidnight = seconds % 86400 === 0;
      return atMidnight && increment >= 3600 ? text.slice(5, 10) : text.slice(11, increment < 60 ? 19 : 16);
    });
  }

  const soft = resolve("var(--soft)"), grid = resolve("var(--line)");
  const axisStyle = { stroke: soft, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };

  function powersOfTen(self, splits) {
    return splits.map((split) => Math.abs(Math.log10(split) - Math.round(Math.log10(split))) < 1e-9 ? split : null);
  }

  function areCounts(plot, name) {
    const values = plot.lines.filter((line) => line.axis === name).flatMap((line) => line.values);
    return plot.units[name].steps[0][1] === 1 && !plot.units[name].increments.length && values.every((value) => value % 1 === 0);
  }

  function axisOf(plot, name) {
    const unit = plot.units[name];
    return {
      ...axisStyle,
      scale: name,
      side: name === "right" ? 1 : 3,
      grid: { ...axisStyle.grid, show: name === "left" || !plot.units.left, ...(plot.log ? { filter: powersOfTen } : {}) },
      space: 26,
      ...(plot.log ? {} : { splits: splits(unit, areCounts(plot, name)) }),
      size: (self, values) => values ? 14 + 6.4 * Math.max(...values.map((text) => text.length)) : 40,
      values: (self, splits) => plot.log
        ? splits.map((split) => tick(split, split, unit))
        : ticks(splits, unit),
    };
  }

  function reach(plot, name) {
    return (self, low, high) => {
      if (low === null || high === null) return [0, 1];
      let [bottom, top] = [plot.min ?? Math.min(0, low), plot.max ?? high];
      if (name === "left" && plot.max === null) {
        const near = plot.steps.map((step) => step[0]).filter((bound) => bound <= 2.5 * Math.max(high, 0));
        top = Math.max(top, ...near);
      }
      if (top <= bottom) top = bottom + (name === "left" && Math.max(...plot.steps.map((step) => step[0] - bottom), 0) || 1);
      return [bottom, plot.max === null || name === "right" ? top + 0.06 * (top - bottom) : top];
    };
  }

  function drawThresholds(plot) {
    return (self) => {
      if (!plot.steps.length || !plot.units.left) return;
      const { ctx, bbox } = self;
      const at = (value) => Math.min(Math.max(self.valToPos(value, "left", true), bbox.top), bbox.top + bbox.height);
      ctx.save();
      plot.steps.forEach(([bound, name], place) => {
        const colour = resolve(name);
        const inside = bound >= self.scales.left.min && bound <= self.scales.left.max;
        if (plot.areas && bound <= self.scales.left.max) {
          const next = plot.steps[place + 1] ? at(plot.steps[place + 1][0]) : bbox.top;
          ctx.fillStyle = faded(colour, 0.1);
          ctx.fillRect(bbox.left, next, bbox.width, at(bound) - next);
        }
        if (!inside) return;
        ctx.strokeStyle = colour;
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
        ctx.beginPath();
        ctx.moveTo(bbox.left, at(bound));
        ctx.lineTo(bbox.left + bbox.width, at(bound));
        ctx.stroke();
      });
      ctx.restore();
    };
  }

  function drawMarks(plot) {
    return (self) => {
      const { ctx, bbox } = self;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = faded(resolve("var(--red)"), 0.75);
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
      for (const [at] of plot.marks) {
        const x = self.valToPos(at, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
        ctx.beginPath();
        ctx.arc(x, bbox.top + bbox.height, 3 * devicePixelRatio, 0, 7);
        ctx.fill();
      }
      ctx.restore();
    };
  }

  // what the pointer is on

  function tip(plot, box) {
    const shown = document.createElement("div");
    shown.className = "tip";
    box.append(shown);
    return (self) => {
      const { idx, left } = self.cursor;
      shown.replaceChildren();
      if (idx === null || idx === undefined || left < 0) { shown.style.display = "none"; return; }
      const row = (text, value, colour) => {
        const line = document.createElement("div");
        if (colour) { const dot = document.createElement("i"); dot.style.background = colour; line.append(dot); }
        line.append(text);
        if (value) { const number = document.createElement("b"); number.textContent = value; line.append(number); }
        shown.append(line);
      };
      row(new Date(1000 * plot.times[idx]).toISOString().slice(0, 19).replace("T", " "));
      plot.lines
        .filter((line) => line.values[idx] !== null)
        .sort((one, other) => other.values[idx] - one.values[idx])
        .slice(0, 14)
        .forEach((line) => row(line.name, written(line.values[idx], plot.units[line.axis]), resolve(line.colour)));
      for (const [at, name] of plot.marks) if (Math.abs(at - plot.times[idx]) <= plot.times[1] - plot.times[0]) row(`fires: ${name}`);
      shown.style.display = "block";
      const middle = self.bbox.left / devicePixelRatio + left;
      shown.style.left = middle < box.clientWidth / 2 ? `${middle + 14}px` : "auto";
      shown.style.right = middle < box.clientWidth / 2 ? "auto" : `${box.clientWidth - middle + 14}px`;
      shown.style.top = "6px";
    };
  }

  function draw(box) {
    const plot = plots[Number(box.dataset.plot)];
    const stacked = plot.stacked ? stackedUp(plot.lines) : plot.lines.map((line) => line.values);
    const order = plot.stacked ? plot.lines.map((_, place) => plot.lines.length - 1 - place) : plot.lines.map((_, place) => place);
    const names = ["left", "right"].filter((name) => plot.units[name]);
    const distribution = plot.log ? { distr: 3 } : {};
    const scales = Object.fromEntries(names.map((name) => [name, plot.log ? distribution : { range: reach(plot, name) }]));
    const chart = new uPlot({
      width: box.clientWidth,
      height: Math.max(box.clientHeight, 60),
      padding: [6, names.includes("right") ? 0 : 18, 0, names.includes("left") ? 0 : 8],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "Etc/UTC"),
      scales: { x: { time: true, range: plot.span }, ...scales },
      axes: [{ ...axisStyle, size: 24, space: 74, values: moments }, ...names.map((name) => axisOf(plot, name))],
      series: [{}, ...order.map((place) => seriesOf(plot, plot.lines[place]))],
      hooks: { drawAxes: [drawThresholds(plot)], draw: [drawMarks(plot)], setCursor: [tip(plot, box)] },
    }, [plot.times, ...order.map((place) => stacked[place])], box);
    new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: Math.max(box.clientHeight, 60) })).observe(box);
  }

  const failed = [];
  document.querySelectorAll("[data-plot]").forEach((box) => {
    try { draw(box); } catch (error) { failed.push(String(error)); console.error(error); }
  });
  document.documentElement.dataset.drawn = failed.length ? `failed: ${failed[0]}` : String(plots.length);
})();
