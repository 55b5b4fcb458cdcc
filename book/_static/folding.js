// Fold cells of code: setup and settings at first, all of them where the reader chose so.  Loaded in <head> and not deferred:
// each cell is folded as it arrives, before it is drawn.  The HTML has them open; without this script they stay so.
(function () {
  "use strict";
  const KEY = "book-code";
  const root = document.documentElement;
  const cells = document.getElementsByClassName("fold");  // grows while the page arrives
  let settled = 0;

  function stored() {
    try { return localStorage.getItem(KEY); } catch { return null; }
  }

  function remember(choice) {
    try { localStorage.setItem(KEY, choice); } catch { /* private browsing: this page only */ }
  }

  function settle(cell) {
    cell.open = root.dataset.code !== "folded" && !cell.matches(".tag_setup *, .tag_settings *");
  }

  function settleNew() {
    while (settled < cells.length) settle(cells[settled++]);
  }

  function show(choice) {
    root.dataset.code = choice === "folded" ? "folded" : "shown";
    settled = 0;
    settleNew();
    tell();
  }

  function tell() {
    document.querySelector(".fold-all")?.setAttribute("aria-expanded", String(root.dataset.code === "shown"));
  }

  function choose() {
    const choice = root.dataset.code === "folded" ? "shown" : "folded";
    remember(choice);
    bookLanguage.keepPlace(() => show(choice));
  }

  // Where a browser does not do so itself: what an address leads to is not left in a fold.
  function reveal() {
    const target = document.querySelector(":target");
    const cell = target?.closest(".fold:not([open])");
    if (!cell) return;
    cell.open = true;
    target.scrollIntoView();
  }

  const arriving = new MutationObserver(settleNew);
  arriving.observe(document, { childList: true, subtree: true });
  show(stored());
  document.addEventListener("DOMContentLoaded", () => {
    arriving.disconnect();
    settleNew();
    tell();
    document.querySelector(".fold-all")?.addEventListener("click", choose);
  });
  window.addEventListener("load", reveal);
  window.addEventListener("hashchange", reveal);
  window.addEventListener("storage", (event) => { if (event.key === KEY) show(event.newValue); });
})();
