// Keeps an open page true: every ten seconds it fetches itself and puts the new text in place of the old.
// Without this file every fact is there all the same, as of when the page was opened.
"use strict";
(() => {
  const EVERY_MS = 10_000;
  const main = () => document.querySelector("main[data-live]");
  const busy = () => main().contains(document.activeElement) || !getSelection().isCollapsed;
  const figures = (root) => new Map([...root.querySelectorAll("[data-key]")].map((one) => [one.dataset.key, one]));
  const heading = (root) => root.querySelector("h1")?.textContent.trim();

  function swap(next) {
    const before = main();
    const after = next.querySelector("main");
    const old = figures(before);
    for (const [key, one] of figures(after)) {
      if (old.has(key) && old.get(key).textContent !== one.textContent) one.classList.add("changed");
    }
    if (heading(before) !== heading(after)) document.getElementById("news").textContent = heading(after);
    before.replaceChildren(...after.childNodes);
    document.title = next.title;
    const icon = (root) => root.querySelector("link[rel=icon]");
    if (icon(document).href !== icon(next).href) icon(document).href = icon(next).href;
  }

  async function refresh() {
    if (document.hidden || busy()) return;
    try {
      const answer = await fetch(location.pathname, { cache: "no-cache", signal: AbortSignal.timeout(5_000) });
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !busy() && next.querySelector("main[data-live]")) swap(next);
    } catch {
      // The page in hand stays; the next round tries again.
    }
  }

  if (main()) setInterval(refresh, EVERY_MS);
})();
