/** Lists that may be too long for a function's arguments. */

/** `list.push(...items)`, whatever their number. */
export function append<T>(list: T[], items: Iterable<T>): void {
  for (const item of items) list.push(item);
}
