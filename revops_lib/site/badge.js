// A site that was built, or copied into a folder, weeks ago does not know which pages have become due since: the reader's day does.
"use strict";
for (const badge of document.querySelectorAll(".page-verified")) {
  const until = badge.className.match(/until-([\d-]+)/)[1];
  const today = new Date().toLocaleDateString("sv"); // written like 2026-11-22
  if (today <= until) continue;
  const since = { fr: "à revoir depuis le" }[badge.closest("[lang]").lang] ?? "due since";
  const due = document.createElement("strong");
  due.textContent = `${since} ${until}`;
  badge.classList.replace("page-verified", "page-due");
  const line = badge.querySelector("p");
  const parts = line.textContent.split(" · ").map((part) => (part.endsWith(until) ? due : part));
  line.replaceChildren(...parts.flatMap((part, i) => (i ? [" · ", part] : [part])));
}
