"use strict";
(() => {
  // Headings of the table of numbers sort it.
  const table = document.querySelector(".numbers");
  const body = table.tBodies[0];
  const value = (row, index) => {
    const cell = row.cells[index];
    if (!cell || cell.colSpan > 1) return null;
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" ? null : isNaN(text) ? text : Number(text);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const button = document.createElement("button");
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("[aria-sort]").forEach((one) => one.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows];
      rows.sort((one, other) => {
        const [a, b] = [value(one, index), value(other, index)];
        if (a === null || b === null) return (a === null) - (b === null);
        return down ? compare(b, a) : compare(a, b);
      });
      body.append(...rows);
    });
  });

  // A click on a picture shows it large, beside what it was made of.
  const viewer = document.getElementById("viewer");
  const links = [...document.querySelectorAll("a.open")];
  const order = links.map((link) => link.dataset.run);
  let current = 0;
  const copy = (image, caption) => {
    const figure = document.createElement("figure");
    const picture = image.cloneNode();
    picture.removeAttribute("id");
    picture.removeAttribute("loading");
    const text = document.createElement("figcaption");
    text.textContent = caption;
    figure.append(picture, text);
    return figure;
  };
  const show = (place) => {
    current = (place + order.length) % order.length;
    const article = document.getElementById("run-" + order[current]);
    document.getElementById("viewer-title").textContent = article.querySelector("h3").textContent;
    const main = document.createElement("div");
    main.className = "main";
    main.append(article.querySelector(".result img").cloneNode());
    const aside = document.createElement("div");
    aside.className = "aside";
    for (const id of [article.dataset.photo, ...article.dataset.styles.split(" ")]) {
      const image = id && document.getElementById(id);
      if (image) aside.append(copy(image, image.alt));
    }
    const numbers = article.querySelector("dl");
    if (numbers) aside.append(numbers.cloneNode(true));
    viewer.querySelector(".shown").replaceChildren(main, aside);
  };
  links.forEach((link, place) =>
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      show(place);
      viewer.showModal();
    }),
  );
  viewer.querySelector(".back").addEventListener("click", () => show(current - 1));
  viewer.querySelector(".next").addEventListener("click", () => show(current + 1));
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(current - 1);
    if (event.key === "ArrowRight") show(current + 1);
  });
})();
