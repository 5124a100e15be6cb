"use strict";
// Without scripts the search stays hidden; everything else is plain HTML and CSS.
const search = document.querySelector(".search");
const input = search.querySelector("input");
const found = search.querySelector("output");
const items = [...document.querySelectorAll(".item")].map((item) => [
  item, item.querySelector(".name").textContent.toLowerCase(),
]);
function show() {
  const wanted = input.value.trim().toLowerCase();
  for (const [item, name] of items) item.hidden = !name.includes(wanted);
  const counted = items.filter(([item]) => !item.closest(".lives"));
  const visible = counted.filter(([item]) => item.checkVisibility()).length;
  found.textContent = `${visible} of ${counted.length} shown`;
}
search.hidden = false;
input.addEventListener("input", show);
document.addEventListener("change", show);
show();
