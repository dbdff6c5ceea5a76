"use strict";

// The slider over the sample pictures. Without scripts the newest one stays.
for (const section of document.querySelectorAll("#samples")) {
  const pictures = [...section.querySelectorAll(".frames img")];
  const slider = section.querySelector("input");
  const button = section.querySelector("button");
  if (!slider) continue;
  const output = section.querySelector("output");
  let timer = 0;
  const show = (number) => {
    pictures.forEach((picture, other) => { picture.hidden = other !== number; });
    slider.value = number;
    output.textContent = `after step ${pictures[number].dataset.step}`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    let number = Number(slider.value) === pictures.length - 1 ? 0 : Number(slider.value);
    show(number);
    button.textContent = "Stop";
    timer = setInterval(() => {
      number += 1;
      if (number === pictures.length - 1) stop();
      show(number);
    }, 500);
  });
  show(pictures.length - 1);
}

// The read-out of a chart: the legend's values become those at the pointer, or at the step chosen with the arrow keys.
for (const figure of document.querySelectorAll(".chart")) {
  const { left, right, high, series } = JSON.parse(figure.querySelector("script").textContent);
  const svg = figure.querySelector(":scope > svg");
  const cursor = svg.querySelector(".cursor");
  const at = figure.querySelector(".at");
  const values = [...figure.querySelectorAll(".legend b")];
  const last = values.map((value) => value.textContent);
  const steps = [...new Set(series.flatMap((one) => one.steps))].sort((a, b) => a - b);
  let chosen = -1;

  // The point of a series that is nearest to a step.
  const nearest = (one, step) => one.steps.reduce(
    (best, here, number) => (Math.abs(here - step) < Math.abs(one.steps[best] - step) ? number : best), 0);
  const read = (place) => {
    chosen = place;
    const step = steps[place];
    const x = left + (step / high) * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.setAttribute("visibility", "visible");
    at.textContent = `at step ${step.toLocaleString("en")}`;
    series.forEach((one, number) => {
      const value = one.values[nearest(one, step)];
      values[number].textContent = value === null ? "no value" : value.toLocaleString("en", { maximumSignificantDigits: 4 });
    });
  };
  const forget = () => {
    chosen = -1;
    cursor.setAttribute("visibility", "hidden");
    at.textContent = "";
    values.forEach((value, number) => { value.textContent = last[number]; });
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const step = (x - left) / (right - left) * high;
    read(nearest({ steps }, step));
  });
  svg.addEventListener("pointerleave", forget);
  svg.addEventListener("blur", forget);
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    read(chosen < 0 ? steps.length - 1 : Math.min(Math.max(chosen + by, 0), steps.length - 1));
  });
}
