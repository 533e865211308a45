/** Tables that most runs never use, and what else is made only when it is asked for. */

/** Made when first asked for. */
export function later<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
