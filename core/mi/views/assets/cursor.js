// The cursor: one position among the framed checkpoints, moved by slider, boxes, buttons, keys, taps and play.

const LAST = spec.epochs.length - 1;
const REST_MS = 250; // without another step, the cursor counts as released
const $ = (id) => document.getElementById(id);
const cursor = { position: spec.position, drawn: spec.position, frames: 0, timer: 0, rest: 0, playing: 0, held: false };
const restHooks = [];

const number = (n) => n.toLocaleString("en-US");
const said = (k) => `epoch ${number(spec.epochs[k])} · checkpoint ${spec.indices[k]} of 0–${spec.total - 1}`;

// Position of the checkpoint nearest to an epoch, the earlier of two equally near.
function nearest(epoch, values = spec.epochs) {
  let low = 0;
  let high = LAST;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < epoch) low = middle + 1;
    else high = middle;
  }
  return low > 0 && epoch - values[low - 1] <= values[low] - epoch ? low - 1 : low;
}

// Moves the cursor. Figures follow at the next animation frame, however many moves come before it.
function moveTo(position, { released = false } = {}) {
  const k = Math.min(Math.max(position, 0), LAST);
  if (LAST < 0 || Number.isNaN(k)) return;
  cursor.position = k;
  label();
  if (!cursor.timer && cursor.drawn !== k) cursor.timer = requestAnimationFrame(draw);
  clearTimeout(cursor.rest);
  if (released) rest();
  else if (!cursor.playing && !cursor.held) cursor.rest = setTimeout(rest, REST_MS);
}

function draw() {
  cursor.timer = 0;
  if (cursor.drawn === cursor.position) return;
  cursor.drawn = cursor.position;
  showFrame(cursor.position);
  cursor.frames += 1;
}

// Once the cursor rests: the URL, the ear, the server.
function rest() {
  clearTimeout(cursor.rest);
  const epoch = spec.epochs[cursor.position];
  const url = new URL(location.href);
  const query = url.protocol.startsWith("http") ? url.searchParams : new URLSearchParams(url.hash.slice(1));
  query.set("epoch", epoch);
  if (query !== url.searchParams) url.hash = query.toString(); // a file's address has no query
  history.replaceState(history.state, "", url);
  $("mi-live").textContent = said(cursor.position);
  state?.setv({ data: { epoch: [epoch], position: [cursor.position] } });
  for (const hook of restHooks) hook(epoch, cursor.position);
}

function label() {
  const k = cursor.position;
  $("mi-slider").value = k;
  $("mi-slider").setAttribute("aria-valuetext", said(k));
  $("mi-label").textContent = said(k);
  if (document.activeElement !== $("mi-epoch")) $("mi-epoch").value = spec.epochs[k];
  if (document.activeElement !== $("mi-index")) $("mi-index").value = spec.indices[k];
  for (const id of ["mi-first", "mi-previous"]) $(id).disabled = k === 0;
  for (const id of ["mi-next", "mi-last"]) $(id).disabled = k === LAST;
}

function play() {
  if (cursor.position === LAST) moveTo(0);
  let due = performance.now();
  const tick = (now) => {
    if (!cursor.playing) return;
    if (now >= due && cursor.drawn === cursor.position) {
      // Never runs ahead of what is drawn; a slow machine plays slower.
      if (cursor.position === LAST) return pause();
      due = Math.max(due + 1000 / Number($("mi-speed").value), now);
      moveTo(cursor.position + 1);
    }
    cursor.playing = requestAnimationFrame(tick);
  };
  cursor.playing = requestAnimationFrame(tick);
  showPlaying(true);
}

function pause() {
  if (!cursor.playing) return;
  cancelAnimationFrame(cursor.playing);
  cursor.playing = 0;
  showPlaying(false);
  rest();
}

function showPlaying(on) {
  $("mi-play").setAttribute("aria-pressed", on);
  $("mi-play").setAttribute("aria-label", on ? "Pause" : "Play");
  $("mi-play").title = on ? "Pause (Space)" : "Play (Space)";
}

function step(by) {
  pause();
  moveTo(cursor.position + by);
}

const KEYS = {
  ArrowLeft: (e) => step(e.shiftKey ? -10 : -1),
  ArrowRight: (e) => step(e.shiftKey ? 10 : 1),
  Home: () => step(-Infinity),
  End: () => step(Infinity),
  " ": () => (cursor.playing ? pause() : play()),
  "?": () => $("mi-help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS) || LAST < 0) return;
  if ($("mi-help").open) return;
  const target = event.composedPath()[0]; // widgets of figures live in shadow roots
  const tag = target.tagName ?? "";
  const slider = target.id === "mi-slider"; // its own steps would come on top of ours
  if (!slider && (tag === "INPUT" || tag === "SELECT" || tag === "TEXTAREA" || target.isContentEditable)) return;
  if (event.key === " " && (tag === "BUTTON" || tag === "SUMMARY" || tag === "A")) return;
  event.preventDefault();
  KEYS[event.key](event);
}

// A box jumps to the nearest checkpoint; what is no number is put right again.
function jump(box, values) {
  const wanted = Number(box.value.replaceAll(/[,\s]/g, ""));
  pause();
  moveTo(box.value.trim() && Number.isFinite(wanted) ? nearest(wanted, values) : cursor.position, { released: true });
  box.value = values[cursor.position];
}

function bindControls() {
  const slider = $("mi-slider");
  slider.addEventListener("input", () => {
    pause();
    moveTo(Number(slider.value));
  });
  // A hand that pauses on the slider has not let go: nothing is sent before it does.
  slider.addEventListener("pointerdown", () => (cursor.held = true));
  for (const end of ["pointerup", "pointercancel"]) slider.addEventListener(end, () => (cursor.held = false));
  slider.addEventListener("change", () => moveTo(Number(slider.value), { released: true }));
  $("mi-first").onclick = () => step(-Infinity);
  $("mi-previous").onclick = () => step(-1);
  $("mi-next").onclick = () => step(1);
  $("mi-last").onclick = () => step(Infinity);
  $("mi-play").onclick = () => (cursor.playing ? pause() : play());
  $("mi-epoch").onchange = () => jump($("mi-epoch"), spec.epochs);
  $("mi-index").onchange = () => jump($("mi-index"), spec.indices);
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => document.hidden && pause());
  if (LAST >= 0) label();
}
