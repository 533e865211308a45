/** Makes the page equal to a view with as few changes as possible, so that focus, folding and scrolling stay. */
import type { ElementNode, ViewNode } from "./tree.ts";

const keys = new WeakMap<Node, string>();
/** Set once, then the user's: redrawing must not fold or unfold. */
const ownedByUser = new Set(["open", "tabindex"]);

function matches(node: Node, view: ViewNode): boolean {
  if (typeof view === "string") return node.nodeType === Node.TEXT_NODE;
  return node instanceof HTMLElement && node.localName === view.tag && keys.get(node) === view.key;
}

function setAttributes(element: HTMLElement, view: ElementNode, fresh: boolean): void {
  for (const [name, value] of Object.entries(view.attributes)) {
    if (ownedByUser.has(name) && !fresh) continue;
    if (value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value))
      element.setAttribute(name, value === true ? "" : String(value));
  }
}

function create(view: ViewNode): Node {
  if (typeof view === "string") return document.createTextNode(view);
  const element = document.createElement(view.tag);
  if (view.key !== undefined) keys.set(element, view.key);
  setAttributes(element, view, true);
  for (const child of view.children) element.append(create(child));
  return element;
}

function update(node: Node, view: ViewNode): void {
  if (typeof view === "string") {
    if (node.nodeValue !== view) node.nodeValue = view;
    return;
  }
  setAttributes(node as HTMLElement, view, false);
  patchChildren(node as HTMLElement, view.children);
}

export function patchChildren(parent: HTMLElement, views: readonly ViewNode[]): void {
  views.forEach((view, index) => {
    const rest = [...parent.childNodes].slice(index);
    const found = rest.find((node) => matches(node, view));
    if (found === undefined) {
      parent.insertBefore(create(view), parent.childNodes[index] ?? null);
      return;
    }
    if (found !== rest[0]) parent.insertBefore(found, rest[0]!);
    update(found, view);
  });
  while (parent.childNodes.length > views.length) parent.lastChild!.remove();
}
