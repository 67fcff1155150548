// Makes elements. Whatever a session, a platform or a person wrote becomes text, never markup.

export const byId = (id) => document.getElementById(id);

/** @param {Record<string, string>} attributes */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children); // strings become text nodes
  return made;
}

export function button(text, attributes, onClick) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", onClick);
  return made;
}

/**
 * A link out of Airflow's frame. The frame's sandbox lets no page open a tab or replace the page around it, so
 * the page around it, which is of the same origin, follows a link of its own.
 */
export function outerLink(text, url, target) {
  const link = element("a", { href: url, target, rel: "noopener noreferrer" }, text);
  link.addEventListener("click", (event) => {
    const outer = outerDocument();
    if (!outer || event.defaultPrevented) return;
    event.preventDefault();
    const twin = outer.createElement("a");
    for (const name of ["href", "target", "rel"]) twin.setAttribute(name, link.getAttribute(name));
    twin.click();
  });
  return link;
}

function outerDocument() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null;
  }
}
