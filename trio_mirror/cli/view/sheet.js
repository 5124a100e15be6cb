"use strict";
// Without scripts these controls stay hidden; everything else is plain HTML and CSS.
const input = document.querySelector("#name");
const format = document.querySelector("#format");
const found = document.querySelector("output");
const dialog = document.querySelector("dialog");
const slider = dialog.querySelector("input");
const items = [...document.querySelectorAll(".item")].map((item) => [
  item, item.querySelector(".name").textContent.toLowerCase(),
]);

function show() {
  const wanted = input.value.trim().toLowerCase();
  for (const [item, name] of items)
    item.hidden = !name.includes(wanted) || (format?.value && format.value !== item.dataset.format);
  const counted = items.filter(([item]) => !item.closest(".lives"));
  const visible = counted.filter(([item]) => item.checkVisibility()).length;
  found.textContent = `${visible} of ${counted.length} shown`;
}

function cut() {
  dialog.style.setProperty("--cut", `${slider.value}%`);
}

function enlarge(figure) {
  const copy = figure.cloneNode(true);
  copy.querySelector("button").remove();
  dialog.querySelector("figure")?.remove();
  dialog.prepend(copy);
  dialog.setAttribute("aria-label", copy.querySelector(".name").textContent);
  slider.parentElement.hidden = copy.querySelectorAll("img").length < 2;
  slider.value = slider.parentElement.hidden ? 100 : 50;
  cut();
  dialog.showModal();
}

for (const control of document.querySelectorAll(".search, .enlarge")) control.hidden = false;
document.addEventListener("change", show);
input.addEventListener("input", show);
slider.addEventListener("input", cut);
document.addEventListener("click", ({ target }) => {
  if (target.closest(".enlarge") || target.matches(".grid img")) enlarge(target.closest("figure"));
  // A click beside what is enlarged is one on the dialog itself.
  if (target === dialog || target.matches("dialog > button")) dialog.close();
});
show();
