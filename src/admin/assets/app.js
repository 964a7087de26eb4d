// Keeps a page current: told by /events that there is news, it fetches itself and changes what differs, in place.
// Without this script every page still reads; only controls and copying need it.
"use strict";
(() => {
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  const ask = document.getElementById("ask");
  const RETRY = 5000;
  let fresh = Date.now();
  let loading = false;
  let again = false;
  let stream = null;
  let lost = false;

  // === Changing what differs ===

  const known = (node) => (node.nodeType === Node.ELEMENT_NODE && node.id ? node.id : null);

  // What a person did stays: opened details, what is typed, focus and selection, for those nodes are kept.
  const attributes = (from, to) => {
    for (const { name } of [...from.attributes]) {
      const own = name === "open" || (name === "hidden" && from.matches("[data-do]"));
      if (!own && !to.hasAttribute(name)) from.removeAttribute(name);
    }
    for (const { name, value } of to.attributes) {
      const own = name === "open" || (name === "hidden" && from.matches("[data-do]"));
      if (!own && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
  };

  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && known(a) === known(b);

  const change = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    if (from.isEqualNode(to) || from.matches("input, select, textarea")) return;
    attributes(from, to);
    const next = [...to.childNodes];
    let at = from.firstChild;
    for (const node of next) {
      let match = at;
      // One that is named may have moved down because something came before it.
      if (known(node)) {
        match = [...from.children].find((child) => alike(child, node)) ?? null;
        if (match && match !== at) from.insertBefore(match, at);
      } else if (match && !alike(match, node)) {
        match = null;
      }
      if (match) {
        at = match.nextSibling;
        change(match, node);
      } else {
        from.insertBefore(document.importNode(node, true), at);
      }
    }
    while (at) {
      const rest = at.nextSibling;
      at.remove();
      at = rest;
    }
  };

  // === Staying current ===

  const age = () => {
    const seconds = Math.round((Date.now() - fresh) / 1000);
    return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  };

  const tell = () => {
    live.classList.toggle("stale", lost);
    connection.classList.toggle("lost", lost);
    connection.classList.toggle("live", !lost && stream !== null);
    connection.textContent = lost ? `Not connected: these numbers are ${age()} old. Trying again.` : stream ? "live" : "";
  };

  const refresh = async () => {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      prepare(page);
      if (next && String(getSelection()) === "") change(live, next);
      if (page.title && document.title !== page.title) document.title = page.title;
      fresh = Date.now();
      lost = false;
    } catch {
      lost = true;
    } finally {
      loading = false;
      tell();
      if (again) {
        again = false;
        setTimeout(refresh, 500);
      }
    }
  };

  const close = () => {
    stream?.close();
    stream = null;
  };

  const open = () => {
    if (stream || document.hidden) return;
    stream = new EventSource("/events");
    stream.addEventListener("look", refresh);
    stream.addEventListener("open", tell);
    stream.addEventListener("error", () => {
      // A stream that ended is begun again; so is one that was refused. What tells whether the numbers are stale is
      // whether the page itself can still be had.
      close();
      refresh();
      setTimeout(open, RETRY);
    });
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    refresh();
    open();
  });
  setInterval(() => { if (lost) { tell(); refresh(); } }, RETRY);

  // === Controls ===

  const DEEDS = {
    stop: {
      title: "Stop mirroring?",
      text: "From the next request on nothing is sent to the candidate and nothing is compared, also after a restart, until it is started again. Users notice nothing. What was counted stays.",
      yes: "Stop mirroring", path: "/api/v1/mirror", body: () => ({ enabled: false }),
    },
    start: {
      title: "Start mirroring?",
      text: "From the next request on the candidate gets copies again. Users notice nothing.",
      yes: "Start mirroring", path: "/api/v1/mirror", body: () => ({ enabled: true }),
    },
    epoch: {
      title: "Start a new epoch?",
      text: "The evidence starts again from nothing and the verdict with it. What was counted so far moves to the history and proves nothing about the new epoch.",
      yes: "Start a new epoch", path: "/api/v1/epoch", field: true,
      body: () => {
        const build = document.getElementById("ask-build").value.trim();
        return build ? { candidate_build: build } : {};
      },
    },
  };
  let deed = null;
  const say = (id, text) => { document.getElementById(id).textContent = text; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (!button) return;
    deed = DEEDS[button.dataset.do];
    say("ask-title", deed.title);
    say("ask-text", deed.text);
    say("ask-yes", deed.yes);
    say("ask-error", "");
    document.getElementById("ask-field").hidden = !deed.field;
    ask.showModal();
  });

  document.getElementById("ask-yes").addEventListener("click", async (event) => {
    event.target.disabled = true;
    try {
      const answer = await fetch(deed.path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(deed.body()),
      });
      if (answer.ok) {
        ask.close();
        refresh();
      } else {
        say("ask-error", (await answer.json()).detail);
      }
    } catch {
      say("ask-error", "Not connected: nothing was changed.");
    }
    event.target.disabled = false;
  });

  // === Copying ===

  // What only works with this script is only there with it. Done to a fetched page as well, so that both are alike.
  const prepare = (page) => {
    for (const button of page.querySelectorAll("button[data-do]")) button.hidden = false;
    for (const text of page.querySelectorAll("pre.copyable")) {
      const box = page.createElement("div");
      box.className = "copybox";
      text.replaceWith(box);
      const button = page.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.dataset.copy = text.id;
      button.textContent = "copy";
      button.setAttribute("aria-label", "copy to the clipboard");
      box.append(text, button);
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch {
      // Without permission it can still be taken by hand.
      getSelection().selectAllChildren(text);
      button.textContent = "press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });

  prepare(document);
  open();
  tell();
})();
