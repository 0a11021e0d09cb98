"use strict";
// The pages work without this file: it only copies a code, and adds the button that does so.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const said = document.getElementById("said") ?? document.createElement("p");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
    } catch {
      // Without permission or https the code is at least selected, ready to be copied by hand.
      window.getSelection().selectAllChildren(code);
      return;
    }
    const label = button.textContent;
    button.textContent = button.dataset.done;
    said.textContent = button.dataset.done;
    setTimeout(() => {
      button.textContent = label;
      said.textContent = "";
    }, 2500);
  });
}
