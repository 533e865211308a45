/** A view as plain data: what main.ts puts into the page. Pure, so that views can be tested without a browser. */

export interface ElementNode {
  readonly tag: string;
  /** A value of undefined or false leaves the attribute out; true gives it an empty value. */
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly children: readonly ViewNode[];
  /** Same key at the same place = the same element: it keeps focus and open state. */
  readonly key: string | undefined;
}
export type ViewNode = ElementNode | string;
type Child = ViewNode | undefined | false;

/** Makes an element. The attribute `key` is taken out, see ElementNode. */
export function h(
  tag: string,
  attributes: ElementNode["attributes"] = {},
  ...children: (Child | Child[])[]
): ElementNode {
  const { key, ...rest } = attributes;
  const kept = children.flat().filter((child): child is ViewNode => child !== undefined && child !== false);
  return { tag, attributes: rest, children: kept, key: key === undefined ? undefined : String(key) };
}

/** All text of a view, for tests and labels. */
export function textOf(node: ViewNode): string {
  return typeof node === "string" ? node : node.children.map(textOf).join(" ");
}
