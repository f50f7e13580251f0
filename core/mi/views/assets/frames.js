// Frames: finds the page's Bokeh models, and copies one epoch's frame into the sources that figures draw.
// All frames are in the page already; nothing here talks to a server, since every source is `syncable=False`.

const spec = JSON.parse(document.getElementById("mi-spec").textContent);
const CURSOR = "mi-cursor";
let panels = []; // {card, fields, missing, near: whether in or near the window, shown: position drawn}
let spans = []; // cursor lines of all plots with an epoch axis
let state = null; // the one synced source: the server listens to it

function bokehDocument() {
  const documents = window.Bokeh?.documents ?? [];
  return documents.find((d) => d.roots().some((root) => root.name === "mi-wire"));
}

// Binds panels to their models. A field that no figure draws has no source in the document, and is skipped.
function bindFrames(doc) {
  const named = new Map();
  const lines = new Set();
  for (const root of doc.roots()) {
    for (const model of root.references()) {
      if (model.type === "ColumnDataSource" && model.name) named.set(model.name, model);
      if (model.type === "Span" && model.name === CURSOR) lines.add(model);
    }
  }
  state = named.get("mi-state");
  panels = Object.entries(spec.panels).map(([id, panel]) => ({
    card: document.getElementById(`card-${id}`),
    missing: new Set(panel.missing),
    near: true,
    shown: spec.position,
    fields: panel.fields
      .map((field) => bindField(field, named.get(`${id}/frames`), named.get(`${id}/${field.name}`)))
      .filter((field) => field !== null),
  }));
  for (const panel of panels) markGap(panel);
  spans = [...lines];
  bindExact(named.get("mi-exact"), named);
  watchWindow();
}

// A panel outside the window costs as much to repaint as one inside: it is drawn when it comes near.
function watchWindow() {
  const byCard = new Map(panels.map((panel) => [panel.card, panel]));
  const watch = (entries) => {
    for (const { target, isIntersecting } of entries) {
      const panel = byCard.get(target);
      panel.near = isIntersecting;
      if (panel.near) showPanel(panel, cursor.drawn);
    }
  };
  const observer = new IntersectionObserver(watch, { rootMargin: "200px" });
  for (const card of byCard.keys()) observer.observe(card);
}

function bindField(field, stack, source) {
  if (!stack || !source) return null;
  if (field.kind === "image") {
    // Code -> value, NaN for "missing"; JSON has no NaN.
    const table = Float32Array.from(field.table, (v) => (v === null ? NaN : v));
    return { kind: "image", source, table, stack: stack.get_column(field.name) };
  }
  if (field.kind === "text") return { kind: "text", source, stack: stack.get_column(field.name) };
  const columns = field.columns.map((name) => ({ name, stack: stack.get_column(`${field.name}/${name}`) }));
  return { kind: "columns", source, columns };
}

// Row k of a stack as a typed array over the same bytes. (NDArray.subarray does not keep its shape: avoid it.)
function row(stack, k) {
  const size = stack.length / spec.epochs.length;
  const Type = stack.BYTES_PER_ELEMENT === 1 ? Uint8Array : stack.BYTES_PER_ELEMENT === 4 ? Float32Array : Float64Array;
  return new Type(stack.buffer, stack.byteOffset + k * size * stack.BYTES_PER_ELEMENT, size);
}

function showFrame(position) {
  for (const panel of panels) if (panel.near) showPanel(panel, position);
  for (const span of spans) span.location = spec.epochs[position];
}

function showPanel(panel, position) {
  if (panel.shown === position) return;
  panel.shown = position;
  for (const field of panel.fields) {
    const { source } = field;
    if (field.kind === "image") {
      const codes = row(field.stack, position);
      source.get_column("image")[0].set(codes); // in place: the array keeps its shape, nothing is allocated
      const values = source.get_column("value")[0];
      for (let i = 0; i < codes.length; i++) values[i] = field.table[codes[i]];
      source.get_column("exact")[0] = 0;
    } else if (field.kind === "text") {
      source.get_column("text")[0] = field.stack[position];
    } else {
      for (const { name, stack } of field.columns) source.get_column(name).set(row(stack, position));
    }
    source.change.emit(); // repaints; is not sent anywhere
  }
  markGap(panel);
}

function markGap(panel) {
  panel.card.classList.toggle("gap", panel.missing.has(panel.shown));
}

// A server sends exact image values once the cursor rests; they replace what the codes stand for.
function bindExact(exact, named) {
  if (!exact) return;
  exact.connect(exact.properties.data.change, () => {
    if (exact.get_column("epoch")[0] !== spec.epochs[cursor.position]) return; // the cursor has moved on
    for (const name of exact.columns()) {
      const source = named.get(name);
      if (name === "epoch" || !source) continue;
      const panel = panels.find((p) => p.fields.some((f) => f.source === source));
      if (panel?.shown !== cursor.position) continue; // not drawn while it is out of sight
      source.get_column("value")[0].set(exact.get_column(name)[0]);
      source.get_column("exact")[0] = 1;
    }
  });
}
