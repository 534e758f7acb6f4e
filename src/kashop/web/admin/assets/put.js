// Puts a prepared text on the clipboard. Without script the text can be marked by hand.
for (const button of document.querySelectorAll("button[data-put]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const area = document.getElementById(button.dataset.put);
    area.select();
    try {
      if (navigator.clipboard) await navigator.clipboard.writeText(area.value);
      else if (!document.execCommand("copy")) return; // a shop reached by plain http has no navigator.clipboard
      button.textContent = button.dataset.done;
    } catch {
      area.focus(); // it is marked: the reader can copy it himself
    }
  });
}
