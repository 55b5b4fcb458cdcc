// Light or dark before the first paint, and scrolling regions that the keyboard can reach.
(function () {
  "use strict";
  const root = document.documentElement;
  if (!["light", "dark"].includes(root.dataset.theme)) {
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  const REGIONS = "article pre, article .pst-scrollable-table-container, article mjx-container[display], article div.output";

  function reach(element) {
    const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
    if (scrolls) element.tabIndex = 0; else element.removeAttribute("tabindex");
  }

  function reachAll() {
    document.querySelectorAll(REGIONS).forEach(reach);
  }

  // Where MathJax does not come, the source of a formula shows: reading.css keeps its place empty until then.
  window.addEventListener("load", () => {
    const showSource = () => { root.dataset.set = ""; };
    if (window.MathJax?.startup?.promise) MathJax.startup.promise.catch(showSource); else showSource();
  });

  document.addEventListener("book:language", reachAll);
  window.addEventListener("load", () => {
    (window.MathJax?.startup?.promise ?? Promise.resolve()).then(() => document.fonts.ready).then(reachAll);
    new ResizeObserver(reachAll).observe(document.querySelector("article") ?? document.body);
  });

  // The theme puts the contents where they stood on the page before, and on a phone at their top: the open page must show.
  function showOpenPage() {
    const link = document.querySelector('.bd-links [aria-current="page"]');
    const contents = link?.closest("dialog, .bd-sidebar");
    if (!contents) return;
    const [entry, frame] = [link, contents].map((element) => element.getBoundingClientRect());
    if (entry.top < frame.top || entry.bottom > frame.bottom) {
      contents.scrollTop += entry.top - frame.top - frame.height / 3;
    }
  }

  window.addEventListener("load", () => {
    showOpenPage();
    document.querySelector(".primary-toggle")?.addEventListener("click", () => requestAnimationFrame(showOpenPage));
  });

  // Copying takes the focus to a field that is gone at once: it returns to the button.
  document.addEventListener("click", (event) => {
    const button = event.composedPath().find((element) => element.classList?.contains("copybtn"));
    if (document.activeElement === document.body) button?.focus({ preventScroll: true });
  });

  // Who turns to the search will soon want the text of the book: it is fetched while they type. (Its own page: at once.)
  const here = document.currentScript.src, ahead = new Set();
  window.bookSearchAhead = (rel) => {
    for (const name of ["places", "unpack", bookLanguage.current === "zh" ? "zh" : "en"]) {
      if (ahead.has(name)) continue;
      ahead.add(name);
      const href = new URL(`search-${name}.js`, here);
      document.head.append(Object.assign(document.createElement("link"), { rel, as: "script", href }));
    }
  };
  for (const turn of ["focusin", "pointerover"]) {
    document.addEventListener(turn, ({ target }) => {
      if (target.closest?.(".search-button__button, #pst-search-dialog")) bookSearchAhead("prefetch");
    });
  }

  // Paper is light, and nothing can be unfolded on it.
  const paper = matchMedia("print");
  let onScreen, folded = [];
  paper.addEventListener("change", (media) => {
    if (media.matches) {
      onScreen = root.dataset.theme;
      folded = document.querySelectorAll("article details:not(.eq-mark, [open])");
    }
    folded.forEach((details) => { details.open = media.matches; });
    root.dataset.theme = media.matches ? "light" : onScreen;
  });
})();
