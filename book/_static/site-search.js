// The search page: looks for what was typed in the book's sections, and shows them best first. Their titles are there at
// once (search-places.js); their texts come in the reader's language (search-en.js, search-zh.js), or in that of the words.
(function () {
  "use strict";
  const LIMIT = { sections: 30, nearest: 8, ofOnePage: 3, before: 60, length: 200 };
  const CJK = "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff";
  const LETTERS = { en: /\p{Script=Latin}/u, zh: new RegExp(`[${CJK}]`) };
  const sections = window.bookSearch.places.flatMap(([name, isChapter, places]) => places.map(([anchor, en, zh], i) => (
    { name, isChapter, anchor, isWhole: i === 0, page: { en: places[0][1], zh: places[0][2] },
      title: { en, zh }, text: { en: "", zh: "" } })));
  const folder = document.currentScript.src, asked = new Set(), loaded = new Set();
  const input = document.querySelector(".bd-search-container input");
  const list = document.getElementById("search-results");
  const state = document.getElementById("search-status");
  const language = () => window.bookLanguage.current === "zh" ? "zh" : "en";
  let languages = [];  // in which the words are looked for: the reader's, and those in which they may stand

  function load(lang) {
    if (asked.has(lang)) return;
    asked.add(lang);
    document.head.append(element("script", { src: new URL(`search-${lang}.js`, folder), onload() {
      const packed = Uint8Array.from(atob(window.bookSearch[lang]), (letter) => letter.charCodeAt(0));
      const texts = new TextDecoder().decode(window.bookUnpack(packed)).split("\n");
      texts.forEach((text, i) => { sections[i].text[lang] = text; });
      delete window.bookSearch[lang];
      loaded.add(lang);
      show();
    } }));
  }

  // A run of Chinese is looked for as it stands; an English word from its start, without its ending, in either spelling
  // (-ise and -ize). `loosely`: where nothing holds all of it, any two neighbours of the run, and how a long word begins.
  function patterns(query, loosely) {
    const runs = query.normalize("NFKC").match(new RegExp(`[${CJK}]+|(?:(?![${CJK}])[\\p{L}\\p{N}_])+`, "gu")) ?? [];
    return runs.flatMap((run) => {
      if (new RegExp(`^[${CJK}]`).test(run)) {
        const pairs = [...run].slice(1).map((character, i) => [...run][i] + character);
        return loosely && pairs.length ? pairs : [run];
      }
      const stem = loosely && run.length > 6 ? run.slice(0, 6) : run.replace(/(?<=\w{4})(?:ations?|ies|es|s|ing|ed|y)$/i, "");
      return [`(?<![\\p{L}\\p{N}])${stem.replace(/i[sz](?=at|e|i|$)/gi, "i[sz]")}[\\p{L}\\p{N}]*`];
    }).map((source) => new RegExp(source, "giu"));
  }

  const count = (text, pattern) => text.match(pattern)?.length ?? 0;

  // A word counts in the title of the section most, in that of the page less, in the text by how often it comes (four times
  // is enough: then the section that comes first in the book does). What was typed counts once more as a title, as a phrase,
  // and in parentheses, where a text gives a short name. `missing`: so many words may be absent.
  function score(section, words, phrase, missing) {
    let sum = 0, absent = 0;
    for (const word of words) {
      const [own, page] = [section.title, section.page].map((t) => count(`${t.en}\n${t.zh}`, word));
      const text = Math.max(...languages.map((lang) => count(section.text[lang], word)));
      if (!own && !text && ++absent > missing) return 0;
      sum += (own ? 6 : 0) + (page ? 2 : 0) + Math.log2(1 + Math.min(text, 4));
    }
    const said = [section.title.en, section.title.zh, ...languages.map((lang) => section.text[lang])].map((t) => t.toLowerCase());
    if (section.isChapter && said.slice(0, 2).includes(phrase)) sum += 8;
    if (said.some((t) => t.includes(`(${phrase})`) || t.includes(`（${phrase}）`))) sum += 2;
    if (words.length > 1 && said.some((t) => t.includes(phrase))) sum += 6;
    sum *= (1 - absent / words.length) ** 2;
    return section.isChapter ? sum : sum / 8;  // an explanation before the name of a function
  }

  function find(query, loosely = false) {
    const words = patterns(query, loosely), phrase = query.trim().toLowerCase(), ofPage = {};
    const missing = loosely ? words.length * 2 / 3 : 0;
    const found = sections.map((section) => ({ section, rate: words.length ? score(section, words, phrase, missing) : 0 }))
      .filter(({ rate }) => rate > 0).sort((a, b) => b.rate - a.rate)
      .filter(({ section }) => (ofPage[section.name] = (ofPage[section.name] ?? 0) + 1) <= LIMIT.ofOnePage)
      .slice(0, loosely ? LIMIT.nearest : LIMIT.sections).map(({ section }) => section);
    if (loosely || found.some((section) => section.isChapter)) return { words, found, loosely };
    const nearest = find(query, true);  // no chapter has all of it
    return { words: [...words, ...nearest.words], found: [...new Set([...found, ...nearest.found])], loosely: !found.length };
  }

  const element = (tag, attributes, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };

  const pair = ({ en, zh }) => en === zh ? [en] : [element("span", { lang: "en" }, en),
    element("span", { className: "bi-sep" }, " · "), element("span", { lang: "zh-Hans" }, zh)];

  // In the reader's language, or in the other one where only that holds the words.
  function excerpt(section, words) {
    const order = language() === "zh" ? ["zh", "en"] : ["en", "zh"];
    const lang = order.find((l) => words.some((word) => count(section.text[l], word)))
      ?? order.find((l) => section.text[l]) ?? order[0];  // a name of gmlib has English text alone
    const text = section.text[lang];
    const hits = words.map((word) => text.search(word)).filter((at) => at >= 0);
    const first = hits.length ? Math.min(...hits) : 0;  // the words may all stand in the title
    const row = text.lastIndexOf("; ", first);  // of a table, or a clause
    let start = Math.max(0, first - LIMIT.before, row + 2 <= first ? row + 2 : 0);
    let end = Math.min(text.length, start + LIMIT.length);
    while (start > 0 && /[\p{Script=Latin}\d]/u.test(text[start - 1]) && start > first - 2 * LIMIT.before) start--;
    while (end < text.length && /[\p{Script=Latin}\d]/u.test(text[end])) end++;
    const opened = (at) => text.lastIndexOf("\\(", at - 1) > text.lastIndexOf("\\)", at - 2);
    if (opened(start)) start = text.lastIndexOf("\\(", start - 1);  // a formula is not cut
    if (opened(end)) end = text.indexOf("\\)", end) + 2;
    const part = text.slice(start, end);
    const shown = element("p", { lang: lang === "zh" ? "zh-Hans" : "en", className: "bi-keep" }, start ? "…" : "");
    const formula = /\\\(.*?\\\)/g, any = new RegExp([formula, ...words].map((w) => w.source).join("|"), "giu");
    let done = 0;
    for (const hit of part.matchAll(any)) {
      shown.append(part.slice(done, hit.index), hit[0].startsWith("\\(") ? hit[0] : element("mark", {}, hit[0]));
      done = hit.index + hit[0].length;
    }
    shown.append(part.slice(done), end < text.length ? "…" : "");
    return shown;
  }

  function item(section, words) {
    const link = element("a", { href: `${section.name}.html${section.isWhole ? "" : `#${section.anchor}`}` },
      ...pair(section.page), ...(section.isWhole ? [] : [" › ", ...pair(section.title)]));
    link.addEventListener("click", () => localStorage.setItem("sphinx_highlight_terms", input.value.toLowerCase()));
    return element("li", {}, link, excerpt(section, words));
  }

  function verdict(number, loosely) {
    if (!languages.every((lang) => loaded.has(lang))) return { en: "Loading the text of the book…", zh: "正在载入全书文字……" };
    if (!number) return { en: "Nothing found. Try a shorter word, or the other language.", zh: "没有找到。可以换一个更短的词，或换一种语言。" };
    if (loosely) return { en: "Nothing holds all of this. The nearest:", zh: "没有完全相符的内容。最接近的是：" };
    return { en: number > 1 ? `${number} places, best first` : "1 place", zh: `共 ${number} 处${number > 1 ? "，最相关的在前" : ""}` };
  }

  function show() {
    languages = Object.keys(LETTERS).filter((lang) => lang === language() || LETTERS[lang].test(input.value));
    languages.forEach(load);
    const { words, found, loosely } = find(input.value);
    list.replaceChildren(...found.map((section) => item(section, words)));
    state.replaceChildren(...(words.length ? pair(verdict(found.length, loosely)) : []));
    window.MathJax?.startup?.promise?.then(() => MathJax.typesetPromise([list]));
  }

  input.value = new URLSearchParams(location.search).get("q") ?? "";
  input.focus();
  input.addEventListener("input", () => {
    history.replaceState(null, "", `?q=${encodeURIComponent(input.value)}`);
    show();
  });
  input.form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("book:language", show);
  show();
})();
