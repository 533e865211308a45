/**
 * Deep copies of plain data, of the kinds that states are made of: objects, arrays, Maps, Sets, byte arrays, primitives. Several times
 * faster than structuredClone, which matters where a state is saved every few milliseconds.
 */
export function clonePlain<T>(value: T): T {
  if (value === null || typeof value !== "object") return value;
  return cloneObject(value) as T;
}

function cloneObject(value: object): object {
  if (Array.isArray(value)) return value.map(clonePlain);
  if (value instanceof Map) return new Map([...value].map(([key, held]) => [clonePlain(key), clonePlain(held)]));
  if (value instanceof Set) return new Set([...value].map(clonePlain));
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice();
  const copy: Record<string, unknown> = {};
  for (const key in value) copy[key] = clonePlain((value as Record<string, unknown>)[key]);
  return copy;
}
