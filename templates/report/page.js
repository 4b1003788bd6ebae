"use strict";
(() => {
  const theme = JSON.parse(document.getElementById("theme").textContent);
  const tooltip = document.getElementById("tooltip");

  function tell(handler, event, item, value) {
    tooltip.hidden = value === null || value === undefined || value === "";
    if (tooltip.hidden) return;
    tooltip.textContent = typeof value === "object"
      ? Object.entries(value).map(([name, each]) => `${name}: ${each}`).join("\n")
      : String(value);
    const x = Math.min(event.clientX + 14, window.innerWidth - tooltip.offsetWidth - 8);
    const y = Math.min(event.clientY + 14, window.innerHeight - tooltip.offsetHeight - 8);
    tooltip.style.left = `${Math.max(x, 8)}px`;
    tooltip.style.top = `${Math.max(y, 8)}px`;
  }

  const options = {
    mode: "vega-lite", renderer: "svg", config: theme, tooltip: tell, actions: false, defaultStyle: false,
  };

  async function draw(figure) {
    const container = figure.querySelector(".view");
    try {
      const spec = JSON.parse(figure.querySelector("script").textContent);
      await vegaEmbed(container, spec, options);
      figure.dataset.drawn = "yes";
    } catch (error) {
      container.textContent = `This chart could not be drawn: ${error.message}`;
      container.className = "failed";
      console.error(error);
    }
  }

  async function drawAll() {
    for (const figure of document.querySelectorAll("figure.chart")) {
      const folded = figure.closest("details");
      if (folded) folded.addEventListener("toggle", () => draw(figure), { once: true });
      else await draw(figure);
    }
    document.documentElement.dataset.drawn = "all";
  }

  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details:not(:has(figure))")) folded.open = true;
  });
  drawAll();
})();
