// What only a served report page needs: notes on the epoch asked for and on the connection.
(() => {
  const asked = document.getElementById("mi-asked");
  const lost = document.getElementById("mi-lost");
  const PATIENCE_MS = 20000;

  window.__mi.onRelease((epoch) => {
    if (asked) asked.hidden = String(epoch) !== asked.dataset.shown;
  });

  // Bokeh retries by itself. Meanwhile all frames are here: only exact values in tooltips are missed.
  const watch = setInterval(() => {
    const page = window.Bokeh?.documents?.[0];
    if (!page || !window.__mi.ready) return;
    clearInterval(watch);
    page.on_event("connection_lost", () => { lost.hidden = false; });
    page.on_event("client_reconnected", () => { lost.hidden = true; });
  }, 50);
  setTimeout(() => {
    if (!window.__mi.ready) document.getElementById("mi-late").hidden = false;
  }, PATIENCE_MS);
})();
