// Shortcuts for the document. Text from a session is always set as text, never as HTML.

export const $ = (id) => document.getElementById(id);

/** Set an element's text only if it differs, so that a selection in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set the text and the class of an element whose class begins with its id. */
export function setStatus(id, kind, text) {
  $(id).className = `${id} ${kind}`;
  setText($(id), text);
}

export function element(tag, text) {
  const created = document.createElement(tag);
  created.textContent = text;
  return created;
}
