// The import, a little better than without script: files sent with a bar, pages that watch renew themselves.
"use strict";
const form = document.querySelector("form[data-upload]");
if (form) {
  const files = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const bar = form.querySelector("[data-sending]");
  for (const name of ["dragover", "dragenter"]) drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add("is-over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (e) => { e.preventDefault(); if (e.dataTransfer.files.length) files.files = e.dataTransfer.files; });
  form.addEventListener("submit", (e) => {
    if (!files.files.length || !window.FormData) return;
    e.preventDefault();
    const sent = new XMLHttpRequest();
    sent.open("POST", form.action);
    sent.setRequestHeader("accept", "text/html");
    bar.hidden = false;
    form.querySelector("button").disabled = true;
    sent.upload.addEventListener("progress", (p) => {
      const part = p.lengthComputable ? Math.floor((p.loaded * 100) / p.total) : 0;
      bar.querySelector("progress").value = part;
      bar.querySelector("span").textContent = part + " %";
    });
    sent.addEventListener("load", () => {
      if (sent.status === 200 && sent.responseURL !== form.action) { location.assign(sent.responseURL); return; }
      document.open(); document.write(sent.responseText); document.close();
    });
    sent.addEventListener("error", () => { bar.hidden = true; form.querySelector("button").disabled = false; form.submit(); });
    sent.send(new FormData(form));
  });
}
if (document.querySelector("#live[data-live]")) {
  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected) { location.replace(answer.url); return; }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.querySelector("#live");
      if (!now || !answer.ok || !now.hasAttribute("data-live")) { location.reload(); return; }
      for (const part of [".watched", ".tiles", ".hint"]) {  // never a button: it would be gone under the finger that presses it
        const old = document.querySelector("#live " + part), fresh = now.querySelector(part);
        if (old && fresh) old.replaceWith(fresh);
      }
    } catch { /* the shop restarts, or the line is down: look again */ }
    setTimeout(look, 1000);
  };
  setTimeout(look, 1000);
}
