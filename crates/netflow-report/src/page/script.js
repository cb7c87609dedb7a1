"use strict";
// The page is whole without this. It adds searching, sorting, and the values under the pointer of the charts.

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.ariaSort ? head.ariaSort === "ascending" : head.classList.contains("n");
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = down ? "descending" : "ascending";
      const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
      const numbers = table.tBodies[0].rows[0]?.cells[column].dataset.v !== undefined;
      const compare = numbers ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, { numeric: true });
      const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

const search = document.getElementById("search");
if (search) {
  const rows = [...document.querySelectorAll(".conn tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
  const found = document.querySelector(".search output");
  search.parentElement.hidden = false;
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    found.value = words.length ? `${shown} of ${rows.length} found` : "";
  });
}

for (const chart of document.querySelectorAll(".chart")) {
  const figure = chart.closest("figure");
  const plot = chart.querySelector(".plot");
  const values = figure.querySelector(".values");
  const keys = [...figure.querySelectorAll(".legend .key")];
  const buckets = Number(chart.dataset.buckets);
  const unit = figure.querySelector(".unit").textContent.split(",")[0];
  const cursor = document.createElement("div");
  const tip = document.createElement("div");
  cursor.className = "cursor";
  tip.className = "tip";
  tip.setAttribute("role", "status");
  cursor.hidden = tip.hidden = true;
  plot.append(cursor, tip);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Values at a time: arrow keys move");
  let at = -1;
  const hide = () => {
    cursor.hidden = tip.hidden = true;
    at = -1;
  };
  const show = (bucket) => {
    bucket = Math.max(0, Math.min(buckets - 1, bucket));
    if (bucket === at) return;
    at = bucket;
    const cells = [...values.tBodies[0].rows[bucket].cells];
    const heads = [...values.tHead.rows[0].cells];
    const title = document.createElement("b");
    title.textContent = cells[0].textContent.trim();
    const table = document.createElement("table");
    for (let n = cells.length - 1; n > 0; n--) {
      const row = table.insertRow();
      const name = document.createElement("th");
      name.append(keys[n - 1].cloneNode(true), heads[n].textContent);
      row.append(name);
      row.insertCell().textContent = `${cells[n].textContent.trim()} ${unit}`;
    }
    tip.replaceChildren(title, table);
    const x = (bucket + 0.5) / buckets;
    cursor.style.left = `${x * 100}%`;
    tip.style.left = x < 0.5 ? `min(calc(${x * 100}% + 12px), calc(100% - ${tip.offsetWidth}px))` : "auto";
    tip.style.right = x < 0.5 ? "auto" : `calc(${(1 - x) * 100}% + 12px)`;
    cursor.hidden = tip.hidden = false;
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    show(Math.floor(((event.clientX - box.left) / box.width) * buckets));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (step) show(at < 0 ? (step > 0 ? 0 : buckets - 1) : at + step);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(buckets - 1);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}
