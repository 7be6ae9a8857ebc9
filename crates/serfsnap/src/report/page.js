"use strict";
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("serfsnap-theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("serfsnap-theme", theme); } catch { /* a file may not. */ } };
  const wanted = new URLSearchParams(location.hash.slice(1));
  const theme = wanted.get("theme") || stored();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store(root.dataset.theme);
  });

  // More rows than anybody reads would only make the page slow.
  const SHOWN = 200;
  const table = document.getElementById("rows");
  if (table) {
    const { columns, rows, total } = JSON.parse(document.getElementById("data").textContent);
    const box = document.getElementById("q");
    const found = document.getElementById("found");
    const number = (n) => (n < 10000 ? String(n) : n.toLocaleString("en").replaceAll(",", "\u202f"));
    const words = rows.map((row) => row.join("\n").toLowerCase());
    let order = rows.map((_, at) => at);
    let sorted = null;

    const show = () => {
      const wanted = box.value.trim().toLowerCase();
      const hits = wanted ? order.filter((at) => words[at].includes(wanted)) : order;
      const body = document.createElement("tbody");
      for (const at of hits.slice(0, SHOWN)) {
        const line = body.insertRow();
        columns.forEach((column, place) => {
          const cell = line.insertCell();
          const value = rows[at][place];
          cell.className = column.kind;
          cell.textContent = typeof value === "number" ? number(value) : value;
        });
      }
      table.tBodies[0]?.remove();
      table.append(body);
      const of = total > rows.length ? `, ${number(total)} in all` : "";
      const first = hits.length > SHOWN ? `the first ${SHOWN} of ` : "";
      found.textContent = `${first}${number(hits.length)}${of}`;
    };

    const sort = (place) => {
      const down = sorted === place;
      const sign = down ? -1 : 1;
      sorted = down ? null : place;
      order = rows.map((_, at) => at).sort((a, b) => {
        const [x, y] = [rows[a][place], rows[b][place]];
        const by = typeof x === "number" && typeof y === "number"
          ? x - y
          : String(x).localeCompare(String(y), "en", { numeric: true });
        return sign * by || a - b;
      });
      [...table.tHead.rows[0].cells].forEach((cell, at) => {
        if (at === place) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      });
      show();
    };

    const head = table.createTHead().insertRow();
    columns.forEach((column, place) => {
      const cell = document.createElement("th");
      const button = document.createElement("button");
      cell.className = column.kind === "number" ? "number" : "";
      button.type = "button";
      button.textContent = column.title;
      button.addEventListener("click", () => sort(place));
      cell.append(button);
      head.append(cell);
    });
    const fromHash = () => {
      const q = new URLSearchParams(location.hash.slice(1)).get("q");
      if (q !== null) box.value = q;
      show();
    };
    box.addEventListener("input", show);
    addEventListener("hashchange", fromHash);
    fromHash();
  }
  root.dataset.ready = "";
})();
