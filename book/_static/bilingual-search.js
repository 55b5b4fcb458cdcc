// Search results in the reader's language.  Runs after Sphinx's searchtools.js, whose parts it replaces.
(function () {
  "use strict";
  const WORDS = {
    "Search Results": "搜索结果", "Searching": "正在搜索", "Preparing search...": "正在准备搜索……", ", in ": "，见 ",
    "Your search did not match any documents. Please make sure that all words are spelled correctly and that you've selected enough categories.":
      "没有找到匹配的页面。请检查用词，或换一个更短的词。",
    "Search finished, found ${resultCount} page(s) matching the search query.": "搜索完成，共找到 ${resultCount} 页。",
  };
  const SPAN = /^(.*?) · (.*)$/s;
  const language = () => window.bookLanguage.current;

  // Plain words for places that take text only: one language, or both side by side.
  Documentation.gettext = (text) => {
    if (!WORDS[text] || language() === "en") return text;
    return language() === "zh" ? WORDS[text] : `${text} · ${WORDS[text]}`;
  };
  window._ = Documentation.gettext;

  // A heading "English · 中文" is found by either half.
  const setIndex = Search.setIndex;
  Search.setIndex = (index) => {
    for (const [title, found] of Object.entries(index.alltitles)) {
      const halves = SPAN.exec(title);
      if (halves) for (const half of halves.slice(1)) (index.alltitles[half] ??= []).push(...found);
    }
    setIndex(index);
  };

  // The summary is taken from the reader's language, or from the other one where only that holds the words.
  const makeSummary = Search.makeSearchSummary;
  Search.makeSearchSummary = (html, keywords, anchor) => {
    const order = language() === "zh" ? ["zh", "en"] : ["en", "zh"];
    const hit = order.find((lang) => contains(textOf(html, lang, anchor), keywords)) || order[0];
    const full = Search.htmlToText;
    Search.htmlToText = () => textOf(html, hit, anchor);
    const summary = makeSummary(html, keywords, anchor);
    Search.htmlToText = full;
    if (summary) { summary.lang = hit === "zh" ? "zh-Hans" : "en"; summary.classList.add("bi-keep"); }
    return summary;
  };

  const contains = (text, keywords) => [...keywords].some((word) => text.toLowerCase().includes(word));

  function textOf(html, lang, anchor) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const other = lang === "zh" ? "en" : "zh";
    page.querySelectorAll(`body [lang|="${other}"]:not(.bi-keep), .bi-sep, .headerlink, script, style, nav, .bd-header-article,
      .bd-sidebar-secondary, footer, #jb-print-docs-body`).forEach((element) => element.remove());
    const place = (anchor && page.querySelector(`article ${anchor}`)) || page.querySelector("article");
    return place ? place.textContent.replace(/\s+/g, " ") : "";
  }

  // Titles: "Page · 页 > Section · 节" with each half marked.
  function markTitle(link) {
    const parts = link.textContent.split(" > ");
    if (parts.length > 1 && parts[0].split(" · ").includes(parts.at(-1))) parts.pop();
    link.replaceChildren(...parts.flatMap((part, i) => [i ? " › " : "", ...pair(part)]));
  }

  function pair(text) {
    const halves = SPAN.exec(text);
    if (!halves) return [text];
    const [en, zh] = [["en", halves[1]], ["zh-Hans", halves[2]]].map(([lang, words]) =>
      Object.assign(document.createElement("span"), { lang, textContent: words }));
    return [en, Object.assign(document.createElement("span"), { className: "bi-sep", textContent: " · " }), zh];
  }

  new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach((node) => {
    if (node.nodeName === "LI" && node.firstElementChild?.nodeName === "A") markTitle(node.firstElementChild);
  }))).observe(document.getElementById("search-results"), { childList: true, subtree: true });
})();
