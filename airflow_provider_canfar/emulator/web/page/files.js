// The list of the account's files.

import {$, element, setText} from "./dom.js";
import {state} from "./state.js";
import {durationText, sizeText} from "./text.js";

const list = $("files");
let shown = "";

/** Return whether the list is open, so that it needs data. */
export function filesAreOpen() {
  return list.open;
}

export function showFiles({folder, files, count}) {
  setText($("files-folder"), folder);
  setText($("files-more"), count > files.length ? `The first ${files.length} of ${count}.` : count ? "" : "No files yet.");
  const rows = files.map((file) => [file.name, sizeText(file.size), `${durationText(state.now - file.modified)} ago`]);
  const text = JSON.stringify(rows);
  if (text === shown) return;
  shown = text;
  $("file-rows").replaceChildren(...rows.map(fileRow));
}

function fileRow(cells) {
  const row = document.createElement("tr");
  row.append(...cells.map((cell, index) => element(index ? "td" : "th", cell)));
  row.firstElementChild.scope = "row";
  return row;
}
