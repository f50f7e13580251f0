// The page around the cursor: start, looks, header, copying; and `window.__mi`, for servers, notebooks and tests.

const INK = {
  light: { text: "#4a5160", grid: "#e4e7ec", line: "#b4bac5" },
  dark: { text: "#b6bdca", grid: "#2b313c", line: "#4b5363" },
};

// Canvases know no CSS variables: text, grid and lines of figures are recoloured here, and never sent anywhere.
function paint(doc) {
  const ink = matchMedia("(prefers-color-scheme: dark)").matches ? INK.dark : INK.light;
  for (const root of doc.roots()) {
    for (const model of root.references()) {
      const set = (values) => {
        model.syncable = false;
        model.setv(values);
      };
      if (model.type.endsWith("Axis")) {
        set({ axis_label_text_color: ink.text, major_label_text_color: ink.text, major_tick_line_color: ink.line });
      } else if (model.type === "Grid") set({ grid_line_color: ink.grid });
      else if (model.type === "Figure" && model.outline_line_color !== null) set({ outline_line_color: ink.line });
      else if (model.type === "BoxAnnotation" && model.level === "underlay") set({ hatch_color: ink.line });
      else if (model.type === "ColorBar") set({ major_label_text_color: ink.text, title_text_color: ink.text });
      else if (model.type === "Legend") set({ label_text_color: ink.text });
      else if (model.type === "Title") set({ text_color: ink.text });
    }
  }
}

// As many columns of a legend as its plot is wide, so that long names wrap instead of being cut off.
function fitLegends(doc) {
  const pen = document.createElement("canvas").getContext("2d");
  for (const view of plotViews(doc)) {
    const room = view.el.clientWidth - 90; // what the axis takes on the left
    for (const { model } of view.renderer_views.values()) {
      if (model.type !== "Legend" || model.orientation !== "horizontal") continue;
      pen.font = `${model.label_text_font_size} ${model.label_text_font}`;
      const widths = model.items.map((item) => pen.measureText(item.label?.value ?? "").width);
      const entry = Math.max(...widths, 1) + model.glyph_width + model.label_standoff + 10;
      const ncols = Math.min(Math.max(Math.floor(room / entry), 1), model.items.length);
      model.syncable = false;
      const spacing = ncols < model.items.length ? 3 : 10; // between rows as between columns
      if (model.ncols !== ncols) model.setv({ ncols, spacing });
    }
  }
}

// The epoch in the address wins over the one that the page was built for.
function epochOfAddress() {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  const text = query.get("epoch") ?? hash.get("epoch");
  return text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
}

function followAddress() {
  const epoch = epochOfAddress();
  if (epoch !== null && LAST >= 0) moveTo(nearest(epoch));
}

function bindPage() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.onclick = async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    };
  }
  for (const select of document.querySelectorAll("select[data-go]")) {
    // Each option's value is an address; the epoch goes along by value.
    select.onchange = () => {
      const url = new URL(select.value, location.href);
      if (LAST >= 0) url.searchParams.set("epoch", spec.epochs[cursor.position]);
      location.assign(url);
    };
  }
  $("mi-help-open").onclick = () => $("mi-help").showModal();
  window.addEventListener("hashchange", followAddress);
  window.addEventListener("popstate", followAddress);
}

function start(doc) {
  bindFrames(doc);
  calm(doc);
  paint(doc);
  fitLegends(doc);
  window.addEventListener("resize", () => fitLegends(doc));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(doc));
  const address = epochOfAddress();
  if (address !== null) cursor.position = nearest(address);
  if (cursor.position !== cursor.drawn) {
    label();
    draw();
  }
  document.documentElement.dataset.mi = "ready";
  window.__mi.ready = true;
}

window.__mi = {
  ready: false,
  get index() {
    return spec.indices[cursor.position];
  },
  get epoch() {
    return spec.epochs[cursor.position];
  },
  // The epoch that figures show: the cursor's, one animation frame later.
  get drawn() {
    return spec.epochs[cursor.drawn];
  },
  get frames() {
    return cursor.frames;
  },
  // A tap anywhere inside a plot with an epoch axis: its x jumps to the nearest checkpoint.
  tap(x) {
    pause();
    moveTo(nearest(x), { released: true });
  },
  setEpoch: (epoch) => moveTo(nearest(epoch), { released: true }),
  onRelease: (hook) => restHooks.push(hook),
};

bindControls();
bindPage();
const waiting = setInterval(() => {
  const doc = bokehDocument();
  if (doc?.is_idle) {
    clearInterval(waiting);
    start(doc);
  }
}, 30);
