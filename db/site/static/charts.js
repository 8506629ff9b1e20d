// Draws the charts of a dashboard with the Vega that datasette-dashboards bundles. Values become text, never HTML, and Vega
// interprets its expressions (`ast`) instead of compiling them, so that the page's security policy needs no 'unsafe-eval'.
"use strict";

const dashboard = JSON.parse(document.getElementById("dashboard").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#c9ced6" : "#3b424c";
const rule = dark ? "#3a414b" : "#e3e3df";
const look = {
  background: "transparent",
  view: { stroke: null },
  axis: { labelColor: ink, titleColor: ink, gridColor: rule, domainColor: rule, tickColor: rule, titleFontWeight: "normal" },
  legend: { labelColor: ink, titleColor: ink, titleFontWeight: "normal" },
  font: "system-ui, sans-serif",
};

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== null && text !== undefined) made.textContent = String(text);
  if (parent) parent.appendChild(made);
  return made;
}

function metric(target, chart, rows) {
  const display = chart.display || {};
  const value = rows.length ? rows[0][display.field] : null;
  const shown = typeof value === "number" ? value.toLocaleString("en") : value === null ? "no data" : value;
  element("p", `${display.prefix || ""}${shown}${display.suffix || ""}`, target).className = "metric";
}

function table(target, chart, rows) {
  if (!rows.length) {
    element("p", "None.", target);
    return;
  }
  const wrapper = element("div", null, target);
  wrapper.className = "scroll";
  wrapper.tabIndex = 0;
  wrapper.setAttribute("role", "region");
  wrapper.setAttribute("aria-label", chart.title);
  const drawn = element("table", null, wrapper);
  drawn.className = "plain";
  const head = element("tr", null, element("thead", null, drawn));
  for (const name of Object.keys(rows[0])) element("th", name, head).scope = "col";
  const body = element("tbody", null, drawn);
  for (const row of rows) {
    const line = element("tr", null, body);
    for (const value of Object.values(row)) element("td", value, line);
  }
}

async function vegaChart(target, chart, rows) {
  const lite = chart.library === "vega-lite";
  const specification = {
    ...(lite ? { width: "container", config: look, data: { values: rows } } : { data: [{ name: "table", values: rows }] }),
    description: chart.title,
    ...(chart.display || {}),
  };
  await window.vegaEmbed(target, specification, {
    mode: chart.library,
    ast: true,
    renderer: "svg",
    actions: { export: true, source: false, compiled: false, editor: false },
  });
}

async function draw(slug, chart) {
  const target = document.getElementById(`chart-${slug}`);
  if (!target || chart.library === "markdown") return;
  try {
    const query = new URLSearchParams(dashboard.query);
    query.set("sql", chart.query);
    query.set("_shape", "objects");
    const answer = await fetch(`${dashboard.base}${encodeURIComponent(chart.db)}.json?${query}`);
    const data = await answer.json();
    if (!answer.ok || data.error) throw new Error(data.error || `HTTP ${answer.status}`);
    target.replaceChildren();
    if (data.truncated) target.parentElement.querySelector(".cut").hidden = false;
    if (chart.library === "metric") metric(target, chart, data.rows);
    else if (chart.library === "table") table(target, chart, data.rows);
    else if (!data.rows.length) element("p", "No data yet.", target);
    else await vegaChart(target, chart, data.rows);
    target.dataset.drawn = "yes";
  } catch (error) {
    target.replaceChildren();
    element("p", `Could not be drawn: ${error.message}`, target);
    target.dataset.drawn = "failed";
  }
}

for (const [slug, chart] of Object.entries(dashboard.charts)) draw(slug, chart);
