// Keeps the page current by fetching itself and swapping what is inside <main>; without it everything still works.
"use strict";
(() => {
  const EVERY = 2000;
  const main = document.querySelector("main");
  const connection = document.getElementById("connection");
  let fresh = Date.now();
  let busy = false;

  // What a person is doing on the page survives the swap: focus, opened details, selected text.
  const place = (element) => element && (element.id ? `#${CSS.escape(element.id)}` : element.getAttribute("href") && `a[href="${CSS.escape(element.getAttribute("href"))}"]`);
  const swap = (next) => {
    if (main.innerHTML === next.innerHTML || String(getSelection())) return;
    const focused = main.contains(document.activeElement) ? place(document.activeElement) : null;
    const opened = [...main.querySelectorAll("details")].map((d) => d.open);
    main.replaceChildren(...next.childNodes);
    main.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(opened[i]); });
    if (focused) main.querySelector(focused)?.focus({ preventScroll: true });
  };

  const refresh = async () => {
    if (busy || document.hidden || !main.hasAttribute("data-live")) return;
    if (main.contains(document.activeElement) && document.activeElement.matches("input, select")) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.querySelector("main");
      if (next) swap(next);
      if (page.title) document.title = page.title;
      fresh = Date.now();
      document.documentElement.classList.remove("stale");
      connection.textContent = "";
    } catch {
      document.documentElement.classList.add("stale");
      connection.textContent = `Not connected: these numbers are ${Math.round((Date.now() - fresh) / 1000)} s old.`;
    } finally {
      busy = false;
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-mirror]");
    if (!button) return;
    button.disabled = true;
    try {
      const answer = await fetch("/api/v1/mirror", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ enabled: button.dataset.mirror === "true" }),
      });
      if (!answer.ok) connection.textContent = (await answer.json()).detail;
    } catch {
      connection.textContent = "Not connected: nothing was changed.";
    }
    button.disabled = false;
    button.blur();
    refresh();
  });

  setInterval(refresh, EVERY);
})();
