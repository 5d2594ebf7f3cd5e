(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const dashes = { dash: "6 4", dot: "2 3", dashdot: "7 3 2 3" };

  // The charts name colours as the style sheet does; its values of this moment go in their place.
  const coloured = (text) => {
    const style = getComputedStyle(document.documentElement);
    return JSON.parse(text.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim()));
  };

  // How a line, an area, a bar or a marker looks, as a small picture.
  const sample = (trace) => {
    const marker = trace.marker || {};
    if (trace.type === "bar") return `<rect x="8" y="1" width="10" height="10" fill="${marker.color}"/>`;
    if (trace.mode === "markers") return `<path d="M13 1 18 6 13 11 8 6Z" fill="none" stroke="${marker.color}" stroke-width="2"/>`;
    const area = trace.fill ? `<rect y="6" width="26" height="6" fill="${trace.fillcolor}"/>` : "";
    const { color, width, dash } = trace.line;
    return `${area}<path d="M0 6H26" stroke="${color}" stroke-width="${width}" stroke-dasharray="${dashes[dash] || ""}"/>`;
  };

  // A legend of the page's own: it wraps at any width and never lies on the plot. A press hides or shows a line.
  const entry = (trace, hidden, redraw) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.innerHTML = `<svg width="26" height="12" aria-hidden="true">${sample(trace)}</svg>`;
    button.append(trace.name);
    button.addEventListener("click", () => {
      if (!hidden.delete(trace.name)) hidden.add(trace.name);
      button.setAttribute("aria-pressed", String(!hidden.has(trace.name)));
      redraw();
    });
    return button;
  };

  const draws = [...document.querySelectorAll("[data-figure]")].map((plot) => {
    const hidden = new Set();
    const draw = () => {
      const { data, layout } = coloured(plot.dataset.figure);
      data.forEach((trace) => { trace.visible = !hidden.has(trace.name); });
      layout.dragmode = coarse ? false : "zoom";
      Plotly.react(plot, data, layout, { responsive: true, displayModeBar: false });
    };
    const legend = plot.parentElement.querySelector(".legend");
    legend.append(...JSON.parse(plot.dataset.figure).data.map((trace) => entry(trace, hidden, draw)));
    draw();
    return draw;
  });
  dark.addEventListener("change", () => draws.forEach((draw) => draw()));

  document.querySelectorAll(".copy button").forEach((button) => button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }));
})();
