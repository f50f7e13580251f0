// With --dev alone: the page reloads itself, at the same address, when the server has read plugins anew.
(() => {
  const own = document.currentScript.dataset.generation;
  const ask = async () => {
    try {
      const { generation } = await (await fetch("/dev", { cache: "no-store" })).json();
      if (generation !== own) return location.reload();
    } catch {
      // The server is away: it may come back, and then it is another generation.
    }
    setTimeout(ask, 300);
  };
  setTimeout(ask, 300);
})();
