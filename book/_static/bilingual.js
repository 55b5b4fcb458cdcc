// Choose the language of the page.  Loaded in <head> and not deferred, so the first paint is already right.
// The HTML marks every language itself; without this script both show.
(function () {
  "use strict";
  const KEY = "book-language";
  const CHOICES = ["en", "zh", "both"];
  const ATTRIBUTES = ["title", "aria-label", "placeholder", "alt", "data-bs-title"];
  const root = document.documentElement;
  let current = firstChoice();

  function stored() {
    try { return localStorage.getItem(KEY); } catch { return null; }
  }

  function remember(choice) {
    try { localStorage.setItem(KEY, choice); } catch { /* private browsing: this page only */ }
  }

  function firstChoice() {
    const asked = new URLSearchParams(location.search).get("lang");
    if (CHOICES.includes(asked)) { remember(asked); return asked; }
    if (CHOICES.includes(stored())) return stored();
    return /^zh\b/i.test(navigator.language || "") ? "zh" : "en";
  }

  function show(choice) {
    current = choice;
    if (choice === "both") delete root.dataset.bilang; else root.dataset.bilang = choice;
    root.lang = choice === "zh" ? "zh-Hans" : "en";
    document.querySelectorAll(".bi-switch button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.value === choice)));
    document.title = pick(document.title0 ?? (document.title0 = document.title));
    relabel(document);
    teachScripts();
  }

  // "Page · 页 — Book · 书" in the chosen language
  function pick(text) {
    if (current === "both") return text;
    return text.split(" — ").map((part) => {
      const cut = part.indexOf(" · ");
      if (cut < 0) return part;
      return current === "en" ? part.slice(0, cut) : part.slice(cut + 3);
    }).join(" — ");
  }

  // Attributes cannot hold two marked languages: keep the pair aside, show the chosen part.
  function relabel(within) {
    for (const name of ATTRIBUTES) {
      within.querySelectorAll(`[${name}*=" · "], [data-bi-${name}]`).forEach((element) => {
        const saved = `data-bi-${name}`;
        if (!element.hasAttribute(saved)) element.setAttribute(saved, element.getAttribute(name));
        element.setAttribute(name, pick(element.getAttribute(saved)));
      });
    }
  }

  // Words that other scripts put on the page.
  function teachScripts() {
    const zh = current === "zh";
    if (typeof messages !== "undefined") {  // sphinx-copybutton's
      messages.en = zh ? { copy: "复制", copy_to_clipboard: "复制", copy_success: "已复制", copy_failure: "未能复制" }
        : { copy: "Copy", copy_to_clipboard: "Copy", copy_success: "Copied", copy_failure: "Could not copy" };
      document.querySelectorAll(".copybtn").forEach((button) => {
        button.dataset.tooltip = messages.en.copy;
        button.setAttribute("aria-label", messages.en.copy);
      });
    }
    if (typeof Documentation !== "undefined") {
      Documentation.TRANSLATIONS["Hide Search Matches"] = '<span lang="en">Hide search matches</span>'
        + '<span class="bi-sep"> · </span><span lang="zh-Hans">不再标出搜索词</span>';
    }
  }

  // The first block under the header, and how far into it the reader is.
  function place() {
    const top = headerHeight();
    for (const element of document.querySelectorAll("article section > :not(section, .cell), article .cell > *")) {
      const box = element.getBoundingClientRect();
      if (box.height && box.bottom > top) {
        const passed = Math.max(0, (top - box.top) / box.height);
        return { element, passed, top: Math.max(box.top, top) };
      }
    }
    return null;
  }

  function restore(was) {
    if (!was) return;
    let element = was.element;
    if (!element.getClientRects().length) {  // this block is of the other language: its twin stands next to it
      const twin = element.lang === "en" ? element.nextElementSibling : element.previousElementSibling;
      if (twin) element = twin;
    }
    const box = element.getBoundingClientRect();
    const by = box.top + was.passed * box.height - was.top;
    addRoom(scrollY + by);
    window.scrollBy({ top: by, behavior: "instant" });
  }

  // Near the end of a page the other language may be too short to scroll so far: blank room, until it is out of sight.
  function addRoom(wanted) {
    const missing = () => Math.ceil(wanted - (root.scrollHeight - innerHeight));
    let room = 0;
    const add = (height) => { room += height; text().style.paddingBottom = `${room}px`; };
    if (missing() <= 0) return;
    add(missing());
    if (missing() > 0) { add(innerHeight); add(missing()); }  // the page is shorter than the window
  }

  function text() {
    return document.querySelector(".bd-article-container") ?? document.body;
  }

  function removeRoom() {
    const room = parseFloat(text().style.paddingBottom);
    if (room && scrollY + innerHeight <= root.scrollHeight - room) text().style.paddingBottom = "";
  }

  function headerHeight() {
    const header = document.querySelector(".bd-header-article");
    return header ? Math.max(0, header.getBoundingClientRect().bottom) : 0;
  }

  // Do what changes the height of the page, and leave before the reader's eyes what is there.
  function keepPlace(change) {
    const was = place();
    root.style.overflowAnchor = "none";  // or the browser would move the page a second time
    text().style.paddingBottom = "";
    change();
    restore(was);
    requestAnimationFrame(() => requestAnimationFrame(() => { root.style.overflowAnchor = ""; }));
  }

  function choose(choice) {
    remember(choice);
    forgetAddress();
    keepPlace(() => show(choice));
    document.dispatchEvent(new CustomEvent("book:language", { detail: choice }));
  }

  // ?lang= chose until now; from now on the reader has.
  function forgetAddress() {
    const address = new URL(location.href);
    if (!address.searchParams.has("lang")) return;
    address.searchParams.delete("lang");
    history.replaceState(history.state, "", address);
  }

  function start() {
    document.querySelectorAll(".bi-switch button").forEach((button) =>
      button.addEventListener("click", () => choose(button.value)));
    show(current);
  }

  root.dataset.js = "";
  if (current !== "both") root.dataset.bilang = current;
  root.lang = current === "zh" ? "zh-Hans" : "en";
  document.addEventListener("DOMContentLoaded", start);
  window.addEventListener("scroll", removeRoom, { passive: true });
  window.addEventListener("storage", (event) => { if (event.key === KEY && event.newValue) show(event.newValue); });
  window.bookLanguage = { get current() { return current; }, pick, relabel, keepPlace };
})();
