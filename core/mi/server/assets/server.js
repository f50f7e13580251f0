// What the server's pages share: selects navigate and the epoch goes along, buttons copy.
(() => {
  // The epoch of the address, by value: what was asked for until the cursor has been moved.
  const withEpoch = (url) => {
    const target = new URL(url, location.href);
    const epoch = new URLSearchParams(location.search).get("epoch");
    if (epoch !== null && /^[0-9]{1,12}$/.test(epoch)) target.searchParams.set("epoch", epoch);
    return target.href;
  };
  document.addEventListener("change", (event) => {
    const select = event.target.closest?.("select[data-navigate]");
    if (select && select.value) location.assign(withEpoch(select.value));
  });
  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("a[data-keep-epoch]");
    if (link) link.href = withEpoch(link.getAttribute("href"));
    const button = event.target.closest?.("button[data-copy]");
    if (!button || button.onclick) return; // a report page binds its own
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  // Going back may restore a select's last position instead of the page's own.
  addEventListener("pageshow", () => {
    for (const select of document.querySelectorAll("select[data-navigate]")) {
      const own = [...select.options].findIndex((option) => option.defaultSelected);
      if (own >= 0) select.selectedIndex = own;
    }
  });
})();
