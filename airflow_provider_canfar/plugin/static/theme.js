// Light or dark, like the Airflow page around this one.

/** What Airflow's <html> says; null where it says nothing. Pure. */
export function themeOf(root) {
  for (const theme of ["dark", "light"]) {
    if (root.classList.contains(theme) || root.getAttribute("data-theme") === theme) return theme;
  }
  return null;
}

export function followTheme(onChange) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const airflow = outerRoot();
  const apply = () => {
    const theme = (airflow && themeOf(airflow)) ?? (system.matches ? "dark" : "light");
    if (document.documentElement.dataset.theme === theme) return;
    document.documentElement.dataset.theme = theme;
    onChange();
  };
  apply();
  system.addEventListener("change", apply);
  if (airflow) new MutationObserver(apply).observe(airflow, { attributes: true, attributeFilter: ["class", "data-theme"] });
}

function outerRoot() {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // A page of another origin: its theme cannot be read.
  }
}
