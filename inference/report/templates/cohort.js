"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const body = document.querySelector("table.cohort tbody");
  if (!body || !body.rows.length) return;
  const rows = [...body.rows];
  const number = (row) => Number(row.dataset.n);
  const store = `feta-ratings-${data.page}`;
  let ratings = {};
  // A browser may refuse to keep anything for a page that was opened from a disk.
  try { ratings = JSON.parse(localStorage.getItem(store)) || {}; } catch { ratings = {}; }
  let unsaved = false, current = null;

  const select = document.getElementById("size");
  const shown = () => (select ? data.sizes[select.value] : null);
  const signed = (z) => (z < 0 ? "−" : "+") + Math.abs(z).toFixed(1);

  function choose(row, { open = false } = {}) {
    if (!row) return;
    if (current) current.removeAttribute("aria-current");
    current = row;
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
    mark(number(row));
    const link = row.querySelector("a");
    if (link && (open || document.getElementById("follow")?.checked)) window.open(link.href, "feta-case");
  }

  function mark(n) {
    document.querySelectorAll("figure[data-key]").forEach((figure) => {
      const svg = figure.querySelector("svg"), { scale, values } = data.sizes[figure.dataset.key];
      svg.querySelector(".mark")?.remove();
      if (data.ages[n] === null || values[n] === null || !scale) return;
      const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      ring.setAttribute("class", "mark");
      ring.setAttribute("r", "5");
      ring.setAttribute("cx", scale[0] + data.ages[n] * scale[1]);
      ring.setAttribute("cy", scale[2] + values[n] * scale[3]);
      svg.append(ring);
    });
  }

  function rated() {
    const count = Object.keys(ratings).length;
    document.getElementById("progress").textContent = `${count} of ${rows.length} rated`;
  }

  function paint(row) {
    const rating = ratings[number(row)] || "";
    row.querySelector(".rating").textContent = rating;
    row.dataset.rating = rating;
  }

  function rate(rating) {
    if (!current) { choose(body.rows[0]); return; }
    if (rating) ratings[number(current)] = rating; else delete ratings[number(current)];
    unsaved = true;
    try { localStorage.setItem(store, JSON.stringify(ratings)); } catch { /* kept until the page is closed */ }
    paint(current);
    rated();
    if (rating) choose(current.nextElementSibling);
  }

  // A cell that a spreadsheet would take for a formula begins with an apostrophe.
  const cell = (text) => String(text).replace(/[\t\r\n]+/g, " ").replace(/^(?=[=+@-])/, "'");

  function save() {
    const lines = [[...data.columns, "rating"], ...data.who.map((who, n) => [...who, ratings[n] || "n/a"])];
    const text = lines.map((line) => line.map(cell).join("\t")).join("\n") + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    link.download = "ratings.tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    unsaved = false;
  }

  const worth = {
    name: (row) => row.dataset.name,
    age: (row) => (row.dataset.age === "" ? null : Number(row.dataset.age)),
    far: (row) => Number(row.dataset.far),
    said: (row) => Number(row.dataset.said),
    rating: (row) => ratings[number(row)] || null,
    value: (row) => shown().values[number(row)],
    z: (row) => shown().z[number(row)],
  };

  document.querySelectorAll("[data-sort]").forEach((button) => button.addEventListener("click", () => {
    const head = button.closest("th"), falling = head.getAttribute("aria-sort") === "ascending";
    document.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const keyed = rows.map((row) => [worth[button.dataset.sort](row), row]);
    keyed.sort(([a, rowA], [b, rowB]) => {
      // What is unknown comes last, either way.
      if (a === null || b === null) return (a === null) - (b === null) || number(rowA) - number(rowB);
      const order = typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
      return (falling ? -order : order) || number(rowA) - number(rowB);
    });
    body.append(...keyed.map(([, row]) => row));
  }));

  select?.addEventListener("change", () => {
    const { values, z } = shown();
    rows.forEach((row) => {
      const n = number(row);
      row.querySelector(".value").textContent = values[n] === null ? "" : values[n].toFixed(1);
      row.querySelector(".z").textContent = z[n] === null ? "" : signed(z[n]);
    });
  });

  const first = () => body.rows[0];
  const actions = {
    n: () => choose(current ? current.nextElementSibling : first()),
    p: () => choose(current ? current.previousElementSibling : first()),
    a: () => rate("accept"), r: () => rate("reject"), u: () => rate(""),
    Enter: () => choose(current, { open: true }),
  };
  actions.j = actions.ArrowDown = actions.n;
  actions.k = actions.ArrowUp = actions.p;
  document.querySelectorAll("[data-key]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.key]()));

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row && !event.target.closest("a, summary")) choose(row);
  });
  document.getElementById("save").addEventListener("click", save);
  addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
    // Enter on a button or a link is theirs.
    if (event.key === "Enter" && event.target.closest("button, a, summary, input")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action) { event.preventDefault(); action(); }
  });
  rows.filter((row) => ratings[number(row)]).forEach(paint);
  rated();
  document.documentElement.dataset.page = "ready";
})();
