/** Pieces that both views are made of: sections, rows with a lamp or a value, hover texts. */
import type { LastChange } from "../../src/adapter/debug/views.ts";
import { type ElementNode, h, type ViewNode } from "./tree.ts";

export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function changeText(change: LastChange | undefined): string {
  return change === undefined
    ? "Not changed yet."
    : `Last changed at instruction ${count(change.icount)} by ${change.by}.`;
}

/** A part of a view that can be folded. */
export function section(id: string, title: string, note: string, ...body: (ViewNode | undefined)[]): ElementNode {
  return h(
    "details",
    { key: id, id, open: true },
    h("summary", {}, h("span", { class: "title" }, title), h("span", { class: "note" }, note)),
    ...body,
  );
}

/** A lesser part, folded until the user opens it. */
export function folded(id: string, title: string, body: ViewNode): ElementNode {
  return h("details", { key: id, id, class: "lesser" }, h("summary", {}, h("span", {}, title)), body);
}

export interface Row {
  readonly name: string;
  readonly value: string;
  /** Said in full when the row is pointed at or focused. */
  readonly help: string;
  readonly detail?: string;
  readonly changed?: boolean;
  /** undefined = the row has no lamp. */
  readonly lit?: boolean;
  /** Names the place in the console's language, for the row's menu. */
  readonly place?: string;
}

const spoken = (row: Row) =>
  `${row.name} ${row.lit === undefined ? row.value : row.lit ? "set" : "clear"}${row.changed ? ", changed" : ""}. ${row.help}`;

/** What VS Code gives to the commands of a row's menu. */
const menuContext = (expression: string) =>
  JSON.stringify({ webviewSection: "place", expression, preventDefaultContextMenuItems: true });

export function row(item: Row): ElementNode {
  const classes = ["row", item.changed ? "changed" : "", item.lit === false ? "clear" : "", item.lit ? "set" : ""];
  return h(
    "li",
    {
      key: item.name,
      class: classes.filter(Boolean).join(" "),
      tabindex: -1,
      title: item.help,
      "data-help": item.help,
      "data-name": item.name,
      "aria-label": spoken(item),
      ...(item.place !== undefined && { "data-vscode-context": menuContext(item.place) }),
    },
    item.lit !== undefined && h("span", { class: "lamp", "aria-hidden": "true" }),
    h("span", { class: "name" }, item.name),
    item.detail !== undefined && h("span", { class: "detail" }, item.detail),
    h("span", { class: "value" }, item.value),
  );
}

export function rows(items: readonly Row[], className = ""): ElementNode {
  return h("ul", { class: `rows ${className}`.trim() }, items.map(row));
}

/** A name and a text that may be long, under each other when there is no room. */
export function fact(name: string, value: string, className = ""): ElementNode {
  return h(
    "div",
    { key: name, class: `fact ${className}`.trim() },
    h("span", { class: "key" }, name),
    h("span", { class: "text" }, value),
  );
}
