// A layer looked at: the maps of its units in the picture, and for each unit that is pressed the
// pictures that excite it most. A click on the picture presses the unit that is strongest there.
"use strict";

const layers = JSON.parse(form.dataset.layers);
const looked = document.getElementById("units");

// The choice of a layer for an answer; nothing where no units are known.
function offerLayers(view) {
  looked.replaceChildren();
  if (!layers.length) return;
  const chosen = element("select"), said = element("p"), best = element("div", { className: "best" });
  said.setAttribute("role", "status");
  const grid = element("div", { className: "grid" });
  chosen.append(element("option", { value: "", textContent: "none" }));
  for (const layer of layers) chosen.append(element("option", { textContent: layer }));
  const panel = { view, said, best, grid, layer: "", units: [] };
  chosen.addEventListener("change", () => look(panel, chosen.value));
  view.canvas.addEventListener("click", (event) => pressAt(panel, event));
  looked.append(element("label", { className: "choice" }, "Units of the layer ", chosen), said, best, grid);
}

async function look(panel, layer) {
  const { view, said, best, grid } = panel;
  Object.assign(panel, { layer, units: [] });
  for (const one of [best, grid]) one.replaceChildren();
  view.canvas.classList.toggle("clicked", layer !== "");
  said.textContent = layer && "The maps are being made …";
  if (!layer) return;
  try {
    const told = await send(`/units?${new URLSearchParams({ layer })}`, view.file, view.signal);
    const units = await Promise.all(told.units.map((one) => unitOf(one, told.largest)));
    if (panel.layer !== layer || view.signal.aborted) return;
    Object.assign(panel, { units, scale: told.largest });
    const shown = told.known > units.length ? `the ${units.length} most excited of ${told.known}` : `the ${told.known}`;
    panel.known = `Maps of ${shown} units of ${layer} that are known, of ${told.units_of_layer}`;
    grid.append(...units.map((unit) => (unit.button = unitButton(panel, unit))));
    if (units.length) units[0].button.click();
    else said.textContent = `No unit of ${layer} is known.`;
  } catch (error) {
    if (panel.layer === layer && !view.signal.aborted) said.textContent = error.message;
  }
}

async function unitOf(told, largest) {
  const image = await imageOf(told.map.png), { width, height } = told.map;
  const pen = element("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  pen.drawImage(image, 0, 0);
  const grey = pen.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
  return { ...told, map: { image, largest, width, height, grey } };
}

function unitButton(panel, unit) {
  const { width, height } = unit.map, small = element("canvas", { width, height });
  small.setAttribute("aria-hidden", "true");
  lay(small, panel.view.image, unit.map, panel.scale);
  const button = element("button", { type: "button" }, small, `unit ${unit.unit}: ${figure(unit.largest)}`);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => pressUnit(panel, unit));
  return button;
}

// The map of a unit over the picture, and its best patches; pressed again, the picture alone.
function pressUnit(panel, unit) {
  const { view, layer, scale } = panel;
  const isOn = unit.button.getAttribute("aria-pressed") === "true";
  release(view);
  if (isOn) return paint(view);
  unit.button.setAttribute("aria-pressed", "true");
  view.now = unit;
  paint(view, unit.map, scale);
  legend(view, figure(scale), `Unit ${unit.unit} of ${layer}, on the scale of all its maps.`);
  panel.said.textContent = `${panel.known}. ${inWords(unit)}`;
  panel.best.replaceChildren(...(unit.best.length ? [plate(panel, unit, "patches"), plate(panel, unit, "projections")] : []));
}

function inWords(unit) {
  const { best } = unit, counts = new Map();
  if (!best.length) return `Unit ${unit.unit} was excited by no picture.`;
  for (const name of unit.classes.filter(Boolean)) counts.set(name, (counts.get(name) || 0) + 1);
  const most = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 3);
  const of = most.length ? ` (${most.map(([name, count]) => `${name} ${count}`).join(", ")})` : "";
  const span = `${figure(best[0])} to ${figure(best[best.length - 1])}`;
  return `Unit ${unit.unit} is ${figure(unit.largest)} here at most, and ${span} in its ${best.length} best pictures${of}.`;
}

function plate({ layer }, { unit, best }, kind) {
  const src = `/patches?${new URLSearchParams({ layer, unit, kind })}`;
  const title = kind === "patches" ? "What it sees of its best pictures" : "What comes of it alone, down a DeconvNet";
  const image = element("img", { src, width: 234, height: 234, alt: `${best.length} ${kind} of unit ${unit}` });
  return element("figure", {}, image, element("figcaption", { textContent: `${title}.` }));
}

// The unit whose map is strongest where the picture is clicked on.
function pressAt(panel, event) {
  if (!panel.units.length) return;
  const [x, y] = [event.offsetX / event.target.clientWidth, event.offsetY / event.target.clientHeight];
  const at = ({ map: { width, height, grey } }) => {
    const [column, row] = [Math.floor(x * width), Math.floor(y * height)];
    return grey[Math.min(row, height - 1) * width + Math.min(column, width - 1)] || 0;
  };
  const found = panel.units.reduce((best, unit) => (at(unit) > at(best) ? unit : best));
  if (at(found) && found !== panel.view.now) pressUnit(panel, found);
}
