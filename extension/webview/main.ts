/** The script of both views' pages: draws the state that the extension sends, and moves the focus by keyboard. */
import type { EspfixState, KernelState } from "../../src/adapter/debug/views.ts";
import { espfixView } from "./espfix.ts";
import { kernelStateView } from "./kernel-state.ts";
import type { ViewMessage } from "./messages.ts";
import { patchChildren } from "./patch.ts";
import { h, type ViewNode } from "./tree.ts";

declare function acquireVsCodeApi(): { postMessage(message: unknown): void };
const host = acquireVsCodeApi();
const body = document.getElementById("view")!;
const help = document.getElementById("help")!;

function draw({ kind, state, before, note }: ViewMessage): ViewNode {
  if (state === undefined) return h("p", { class: "empty" }, note ?? "");
  return kind === "kernelState"
    ? kernelStateView(state as KernelState, before as KernelState | undefined)
    : espfixView(state as EspfixState, before as EspfixState | undefined);
}

const allRows = () => [...body.querySelectorAll<HTMLElement>(".row")].filter((row) => row.checkVisibility());

/** One row is in the tab order; the arrow keys go from row to row. */
function keepOneTabStop(): void {
  const items = allRows();
  const current = items.find((item) => item === document.activeElement) ?? items[0];
  for (const item of items) item.tabIndex = item === current ? 0 : -1;
}

/** The mouse has tooltips; for the keyboard the focused row is explained at the foot of the view. */
function explain(target: EventTarget | null): void {
  const item = target instanceof Element ? target.closest<HTMLElement>("[data-help]") : null;
  help.textContent = item === null ? "" : `${item.dataset.name}: ${item.dataset.help}`;
}

window.addEventListener("message", (event: MessageEvent<ViewMessage>) => {
  patchChildren(body, [draw(event.data)]);
  document.body.classList.toggle("running", event.data.running);
  document.body.dataset.drawn = String(event.data.count);
  keepOneTabStop();
});

body.addEventListener("keydown", (event) => {
  const items = allRows();
  const at = items.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const next = items[moves[event.key] ?? -1];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
  keepOneTabStop();
});
body.addEventListener("toggle", keepOneTabStop, true);
body.addEventListener("focusin", (event) => explain(event.target));
body.addEventListener("focusout", () => explain(null));

host.postMessage("ready");
