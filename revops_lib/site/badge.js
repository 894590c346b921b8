// A site that was built, or copied into a folder, weeks ago does not know which pages have become due since: the reader's day does.
"use strict";
for (const badge of document.querySelectorAll("[data-due]")) {
  const until = badge.className.match(/until-([\d-]+)/)[1];
  const today = new Date().toLocaleDateString("sv"); // written like 2026-11-22
  if (today <= until) continue;
  const due = document.createElement("strong");
  due.textContent = badge.dataset.due; // "due since …" in the words and with the day as the page writes them
  const day = due.textContent.split(" ").pop();
  badge.classList.remove("page-verified", "page-unverified");
  badge.classList.add("page-due");
  const line = badge.querySelector("p");
  const parts = line.textContent.split(" · ").map((part) => (part.endsWith(day) ? due : part));
  line.replaceChildren(...parts.flatMap((part, i) => (i ? [" · ", part] : [part])));
}
