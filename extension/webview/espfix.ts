/** The espfix view: the ministack, the alias in use, the page walk that leads to one physical page. */
import type { EspfixState, WalkStep } from "../../src/adapter/debug/views.ts";
import { fact, type Row, rows, section } from "./parts.ts";
import { type ElementNode, h } from "./tree.ts";

function ministack(state: EspfixState, before: EspfixState | undefined): ElementNode | undefined {
  if (state.ministack === undefined) return undefined;
  const { linear, physical, words } = state.ministack;
  const items = words.map(({ address, value, label }): Row => {
    const old = before?.ministack?.words.find((word) => word.address === address);
    const changed = old !== undefined && old.value !== value;
    return {
      name: label,
      detail: address,
      value,
      changed,
      help: `${label} at ${address}${changed ? `, was ${old.value}` : ""}`,
    };
  });
  return section(
    "ministack",
    "Ministack",
    "",
    fact("linear", linear),
    fact("physical", physical),
    rows(items, "words"),
  );
}

function walkRow(step: WalkStep): ElementNode {
  return h(
    "tr",
    { key: step.level },
    h("th", { scope: "row" }, step.level),
    h("td", {}, `[${step.index}]`),
    h("td", { title: `entry at ${step.entryAddress}` }, step.entry),
    h("td", { class: "dim" }, step.flags.join(", ")),
  );
}

function walk(steps: readonly WalkStep[]): ElementNode {
  const head = ["level", "index", "entry", "flags"].map((name) => h("th", { scope: "col" }, name));
  return h("table", { class: "walk" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, steps.map(walkRow)));
}

const standing = ({ available, inUse }: EspfixState): string =>
  inUse ? "in use" : available ? "available" : "not set up";

export function espfixView(state: EspfixState, before: EspfixState | undefined): ElementNode {
  const alias = state.alias;
  return h(
    "div",
    { class: "view" },
    h(
      "header",
      {},
      h("span", { class: state.available ? "chip on" : "chip" }, standing(state)),
      h("span", { class: "who" }, `design: ${state.design}`),
    ),
    !state.available &&
      h(
        "p",
        { class: "why" },
        "Nothing stands between a return to a 16-bit stack and the kernel's bits in ESP[31:16].",
      ),
    alias !== undefined &&
      section(
        "alias",
        "Alias",
        state.inUse ? "in use" : "of the last entry's stack pointer",
        h("p", { class: "headline" }, alias.linear),
        h("p", { class: "why" }, alias.chosenBecause),
      ),
    ministack(state, before),
    state.walk.length > 0 && section("walk", "Page walk", "of the alias", walk(state.walk)),
  );
}
