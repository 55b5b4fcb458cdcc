// Search results in the reader's language.  Runs after Sphinx's searchtools.js, and leaves the searching to it.
(function () {
  "use strict";
  const WORDS = {
    "Search Results": "搜索结果",
    "Searching": "正在搜索",
    "Preparing search...": "正在准备搜索……",
    ", in ": "，见",
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
      "没有找到匹配的页面。请检查用词，或换一个更短的词。",
    "Search finished, found ${resultCount} page(s) matching the search query.": "搜索完成，共找到 ${resultCount} 处。",
  };
  const PAIR = /^(.*?) · (.*)$/s;
  const results = document.getElementById("search-results");
  const language = () => window.bookLanguage.current;

  function translate() {
    for (const [english, chinese] of Object.entries(WORDS)) {
      const short = chinese.replace("，共找到 ${resultCount} 处", "");  // a number is put in once only
      Documentation.TRANSLATIONS[english] = { en: english, zh: chinese, both: `${english} · ${short}` }[language()];
    }
  }

  // A heading "English · 中文" is found by either half (a page's own title is found without this).
  function addHalves(index) {
    for (const [title, found] of Object.entries(index.alltitles)) {
      const halves = PAIR.exec(title);
      const headings = found.filter(([file]) => !index.titles[file].endsWith(title));
      if (halves && headings.length) for (const half of halves.slice(1)) (index.alltitles[half] ??= []).push(...headings);
    }
  }

  // The summary comes from the reader's language, or from the other one where only that holds the words.
  const makeSummary = Search.makeSearchSummary;
  Search.makeSearchSummary = (html, keywords, anchor) => {
    const languages = language() === "zh" ? ["zh", "en"] : ["en", "zh"];
    const texts = languages.map((lang) => textOf(html, lang, anchor));
    const hit = Math.max(0, texts.findIndex((text) => [...keywords].some((word) => text.toLowerCase().includes(word))));
    Search.htmlToText = () => texts[hit];
    const summary = makeSummary(html, keywords, anchor);
    if (summary) {
      summary.lang = languages[hit] === "zh" ? "zh-Hans" : "en";
      summary.classList.add("bi-keep");
      setTimeout(() => window.MathJax?.typesetPromise?.([summary]));
    }
    return summary;
  };

  function textOf(html, lang, anchor) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const other = lang === "zh" ? "en" : "zh";
    page.querySelectorAll(`body [lang|="${other}"]:not(.bi-keep), .bi-sep, .headerlink, script, style, div.math`)
      .forEach((element) => element.remove());
    const place = (anchor && page.querySelector(`article ${anchor}`)) || page.querySelector("article");
    return place ? place.textContent.replace(/\s+/g, " ") : "";
  }

  // "Page · 页 > Section · 节": mark each half.
  function markTitle(link) {
    const parts = link.textContent.replace(/^\d+\.\s+/, "").split(" > ");
    if (parts.length > 1 && parts[0].split(" · ").includes(parts.at(-1))) parts.pop();
    link.replaceChildren(...parts.flatMap((part, i) => [i ? " › " : "", ...markPair(part)]));
    window.MathJax?.typesetPromise?.([link]);
  }

  function markPair(text) {
    const halves = PAIR.exec(text);
    if (!halves) return [text];
    const span = (attributes, textContent) => Object.assign(document.createElement("span"), attributes, { textContent });
    return [span({ lang: "en" }, halves[1]), span({ className: "bi-sep" }, " · "), span({ lang: "zh-Hans" }, halves[2])];
  }

  new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => {
    if (node.nodeName === "LI" && node.firstElementChild?.nodeName === "A") markTitle(node.firstElementChild);
  }))).observe(results, { childList: true, subtree: true });

  document.addEventListener("book:language", () => {
    translate();
    results.replaceChildren();
    Search.init();
  });

  translate();
  if (Search.hasIndex()) addHalves(Search._index);
})();
