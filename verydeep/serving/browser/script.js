// The page with JavaScript: a picture chosen, dropped or pasted is asked for at once, and what
// comes of it is laid over the picture that the browser has. Nothing is stored.
"use strict";

const form = document.getElementById("ask");
const input = document.getElementById("picture");
const answer = document.getElementById("answer");
const most = Number(form.dataset.most);
const isOfSeveral = form.dataset.several === "yes";
const maps = JSON.parse(form.dataset.maps);
const LARGEST = 640; // pixels of a side that a picture is drawn with
const HOT = [235, 94, 40];
const LINES = ["#ffd60a", "#56d6ff", "#ff8ddc", "#8ceb78", "#ffa05a"];
let asking = null; // what can be broken off when another picture comes

document.documentElement.classList.add("script");
input.addEventListener("change", () => input.files.length && ask(input.files[0]));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (input.files.length) ask(input.files[0]);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  take(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));

function take(files) {
  if (files.length > 1) return say("One picture at a time.", "fault");
  if (files.length) ask(files[0]);
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function say(text, kind) {
  looked.replaceChildren();
  answer.replaceChildren(element("p", { className: kind, textContent: text }));
}

async function send(path, file, signal) {
  const headers = { "content-type": file.type || "application/octet-stream" };
  const reply = await fetch(path, { method: "POST", body: file, signal, headers }).catch(() => {
    throw new Error("The server does not answer.");
  });
  const data = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(data.detail || `The server answers ${reply.status}.`);
  return data;
}

async function ask(file) {
  if (asking) asking.abort();
  const mine = (asking = new AbortController());
  if (file.size > most) return say(`${file.name} has more than ${most / 1e6} MB.`, "fault");
  say("Looking at it …", "wait");
  try {
    const [told, image] = await Promise.all([
      send("/predict?top=5", file, mine.signal),
      createImageBitmap(file).catch(() => null), // of a kind that this browser does not show
    ]);
    if (mine === asking) show(file, told.pictures[0], image, mine.signal);
  } catch (error) {
    if (mine === asking) say(error.message, "fault");
  }
}

// --- the answer

function show(file, found, image, signal) {
  const canvas = element("canvas"), legend = element("div", { className: "scale", hidden: true });
  const said = element("figcaption");
  const { width, height } = found.size;
  const by = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(by * width));
  canvas.height = Math.max(1, Math.round(by * height));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name || "the picture");
  const view = { canvas, legend, said, image, by, file, signal, kept: new Map(), now: null };
  view.method = Object.keys(maps)[0];
  paint(view);
  const table = found.points ? pointTable(view, found.points) : classTable(view, found.top);
  const shown = element("figure", {}, canvas, legend, said, ...choice(view, table));
  answer.replaceChildren(
    element("h2", { textContent: headline(found) }),
    element("div", { className: "found" }, shown, table),
  );
  offerLayers(view);
}

// Which map, where there are several.
function choice(view, table) {
  if (Object.keys(maps).length < 2) return [];
  const chosen = element("select");
  for (const [value, { title }] of Object.entries(maps)) {
    chosen.append(element("option", { value, textContent: title }));
  }
  chosen.addEventListener("change", () => {
    view.method = chosen.value;
    const button = table.querySelector('[aria-pressed="true"]');
    if (button) [button, button].forEach((pressed) => pressed.click()); // away, and anew
  });
  return [element("label", { className: "choice" }, "Map ", chosen)];
}

function headline(found) {
  if (found.points) return `${found.points.length} points`;
  const [first] = found.top;
  if (first.posterior === null) return found.top.length === 1 ? "A box" : `${found.top.length} boxes`;
  if (!isOfSeveral) return first.class;
  const named = found.top.filter((one) => one.posterior >= 0.5).map((one) => one.class);
  return named.length ? named.join(", ") : "None of the classes reaches 50 %";
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function figure(value) {
  return Math.abs(value) < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString("en");
}

function head(...names) {
  const wide = (name) => (name === "posterior" ? 2 : 1); // a bar and a figure
  const cell = (name) => element("th", { scope: "col", textContent: name, colSpan: wide(name) });
  const cells = names.map(cell);
  return element("thead", {}, element("tr", {}, ...cells));
}

function classTable(view, top) {
  const isTold = top[0].posterior !== null, hasMaps = Object.keys(maps).length > 0;
  const body = element("tbody");
  top.forEach((one, i) => {
    const name = element("th", { scope: "row" });
    const text = one.class === null ? "object" : one.class;
    if (hasMaps || (one.box && isTold)) {
      const button = element("button", { type: "button", textContent: text });
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => press(view, button, one));
      name.append(button);
      if (i === 0) queueMicrotask(() => button.click());
    } else name.textContent = text;
    const row = element("tr", {}, name);
    const cell = (textContent, className = "") => element("td", { textContent, className });
    if (isTold) row.append(bar(one.posterior), cell(percent(one.posterior)));
    else row.append(cell(one.box.map(Math.round).join(" "), "sides"));
    body.append(row);
  });
  if (!isTold) drawPlaces(view, top.map((one) => [one.class, ...one.box]));
  return element("table", {}, isTold ? head("class", "posterior") : head("object", "box"), body);
}

function pointTable(view, points) {
  const rows = points.map(({ name, x, y }) => element("tr", {},
    element("th", { scope: "row", textContent: name }),
    element("td", { textContent: x.toFixed(1) }), element("td", { textContent: y.toFixed(1) })));
  drawPlaces(view, points.map(({ name, x, y }) => [name, x, y]));
  return element("table", {}, head("point", "x", "y"), element("tbody", {}, ...rows));
}

function bar(share) {
  const made = (name, values) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(values).forEach(([key, value]) => one.setAttribute(key, value));
    return one;
  };
  const svg = made("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(made("rect", { width: 100 * share, height: 8 }));
  return element("td", { className: "bar" }, svg);
}

// A row's map and box are laid over the picture; pressed again, they are taken away.
async function press(view, button, one) {
  const isOn = button.getAttribute("aria-pressed") === "true";
  release(view);
  paint(view);
  if (isOn) return;
  view.now = one;
  button.setAttribute("aria-pressed", "true");
  drawBox(view, one);
  const method = view.method;
  if (!method) return;
  view.said.textContent = "The map is being made …";
  try {
    const map = await mapOf(view, method, one.class);
    if (view.now !== one || view.method !== method) return;
    const alike = [...view.kept.values()].filter((kept) => kept.method === method);
    const scale = Math.max(...alike.map((kept) => kept.largest));
    paint(view, map, scale);
    drawBox(view, one);
    explain(view, method, one.class, scale);
  } catch (error) {
    if (view.now === one && !view.signal.aborted) view.said.textContent = error.message;
  }
}

// Whatever is pressed no longer is.
function release(view) {
  document.querySelectorAll('main [aria-pressed="true"]').forEach((one) => one.setAttribute("aria-pressed", "false"));
  view.now = null;
  view.legend.hidden = true;
  view.said.textContent = "";
}

async function mapOf(view, method, name) {
  const key = `${method} ${name}`;
  if (!view.kept.has(key)) {
    const query = new URLSearchParams({ method, class: name });
    const told = await send(`/explain?${query}`, view.file, view.signal);
    view.kept.set(key, { image: await imageOf(told.map.png), method, largest: told.largest });
  }
  return view.kept.get(key);
}

function imageOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
}

// What the colours stand for: all maps of a picture by one method are on one scale.
function explain(view, method, name, scale) {
  const { title, unit, share } = maps[method], largest = share ? percent(scale) : figure(scale);
  legend(view, largest, `${title} of ${name}: ${unit}. Press another class for its own.`);
}

function legend(view, largest, said) {
  const steps = element("canvas", { width: 160, height: 12 });
  steps.setAttribute("aria-hidden", "true");
  const pen = steps.getContext("2d"), data = pen.createImageData(160, 12);
  for (let i = 0; i < 160 * 12; i++) glow(data.data, 4 * i, [150, 150, 150], (i % 160) / 159);
  pen.putImageData(data, 0, 0);
  view.legend.replaceChildren("0", steps, largest);
  view.legend.hidden = false;
  view.said.textContent = said;
}

// --- drawing

function paint(view, map = null, scale = 1) {
  lay(view.canvas, view.image, map, scale);
}

// A picture, on grey where the browser does not show it, with a map over it.
function lay(canvas, image, map, scale) {
  const { width, height } = canvas;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#969696";
  pen.fillRect(0, 0, width, height);
  if (image) pen.drawImage(image, 0, 0, width, height);
  if (!map) return;
  const picture = pen.getImageData(0, 0, width, height);
  pen.drawImage(map.image, 0, 0, width, height);
  const heat = pen.getImageData(0, 0, width, height).data, to = picture.data;
  const each = map.largest / (scale || 1) / 255;
  for (let i = 0; i < to.length; i += 4) glow(to, i, [to[i], to[i + 1], to[i + 2]], each * heat[i]);
  pen.putImageData(picture, 0, 0);
}

// Dimmed where the heat is 0, glowing where it is 1.
function glow(to, at, colour, heat) {
  for (let c = 0; c < 3; c++) {
    const dimmed = colour[c] * (0.35 + 0.65 * heat);
    to[at + c] = Math.round(dimmed * (1 - 0.4 * heat) + HOT[c] * 0.4 * heat);
  }
  to[at + 3] = 255;
}

function drawBox(view, one) {
  if (one.box) drawPlaces(view, [[one.class, ...one.box]]);
}

function drawPlaces(view, places) {
  const pen = view.canvas.getContext("2d"), by = view.by;
  pen.font = "14px sans-serif";
  places.forEach(([name, ...place], i) => {
    const [x, y, right, bottom] = place.map((side) => side * by);
    const colour = LINES[i % LINES.length];
    if (right === undefined) {
      pen.beginPath();
      pen.arc(x, y, 5, 0, 7);
      pen.fillStyle = colour;
      pen.fill();
      pen.strokeStyle = "#0a0a0a";
      pen.lineWidth = 1.5;
      pen.stroke();
    } else {
      for (const [style, line] of [["#0a0a0a", 5], [colour, 2.5]]) {
        pen.strokeStyle = style;
        pen.lineWidth = line;
        pen.strokeRect(x, y, right - x, bottom - y);
      }
    }
    if (name === null) return;
    const wide = pen.measureText(name).width + 8;
    const left = Math.max(0, Math.min(x - 1, view.canvas.width - wide)), top = Math.max(0, y - 20);
    pen.fillStyle = colour;
    pen.fillRect(left, top, wide, 19);
    pen.fillStyle = "#0a0a0a";
    pen.fillText(name, left + 4, top + 14);
  });
}
