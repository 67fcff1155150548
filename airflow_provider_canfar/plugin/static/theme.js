// Light or dark, like the Airflow page around this one. A classic script that runs before anything is painted;
// the modules hear of a change by the event "themechange".

"use strict";

(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");

  function outerRoot() {
    try {
      return window.parent === window ? null : window.parent.document.documentElement;
    } catch {
      return null; // A page of another origin: its theme cannot be read.
    }
  }

  function themeOf(root) {
    return ["dark", "light"].find((theme) => root.classList.contains(theme) || root.dataset.theme === theme);
  }

  const airflow = outerRoot();

  function apply() {
    const theme = (airflow && themeOf(airflow)) ?? (system.matches ? "dark" : "light");
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new Event("themechange"));
  }

  apply();
  system.addEventListener("change", apply);
  if (airflow) new MutationObserver(apply).observe(airflow, { attributes: true, attributeFilter: ["class", "data-theme"] });
})();
