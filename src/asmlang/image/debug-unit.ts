/** From results and images to what DWARF says of them. */
import type { AssembleResult, DebugRow, Image, Section } from "../types.ts";
import type { DebugFunction, DebugRange, DebugSection, DebugUnit } from "./dwarf.ts";

/** The unit of an object: addresses are offsets in its sections. */
export function unitOfResult(result: AssembleResult): DebugUnit | undefined {
  const { debug } = result;
  if (!debug) return undefined;
  const bySection = new Map<string, DebugRow[]>();
  for (const row of debug.rows) {
    const rows = bySection.get(row.section);
    if (rows) rows.push(row);
    else bySection.set(row.section, [row]);
  }
  const sizes = new Map(result.sections.map((section) => [section.name, section.size]));
  const ranges: DebugRange[] = [...bySection].map(([section, rows]) => ({
    start: { section, value: 0n },
    size: sizes.get(section) ?? 0,
    rows: sorted(rows),
  }));
  const functions = result.symbols.flatMap(({ name, section, value, size, type, binding }): DebugFunction[] =>
    type === "func" && section !== undefined && bySection.has(section)
      ? [{ name, external: binding !== "local", start: { section, value }, size }]
      : [],
  );
  return { file: debug.uri, ranges, functions };
}

const sorted = <T extends { readonly offset: number }>(rows: readonly T[]): T[] =>
  rows.toSorted((a, b) => a.offset - b.offset);

/** The unit of an executable: all its parts as one. */
export function unitOfImage(image: Image): DebugUnit | undefined {
  const { debug } = image;
  if (!debug) return undefined;
  const ranges: DebugRange[] = [];
  for (const segment of image.segments) {
    const end = segment.address + BigInt(segment.memorySize);
    const rows = debug.rows
      .filter(({ address }) => address >= segment.address && address < end)
      .map((row) => ({ ...row, offset: Number(row.address - segment.address) }));
    if (rows.length > 0)
      ranges.push({ start: { value: segment.address }, size: segment.memorySize, rows: sorted(rows) });
  }
  const inside = (address: bigint) =>
    ranges.some(({ start, size }) => address >= start.value && address < start.value + BigInt(size));
  const functions = (image.symbolTable ?? []).flatMap(({ name, address, size, type, binding }): DebugFunction[] =>
    type === "func" && inside(address)
      ? [{ name, external: binding !== "local", start: { value: address }, size }]
      : [],
  );
  return { file: debug.uri, ranges, functions };
}

/** A section of debug information as one of an object. */
export function asSection({ name, bytes, references, strings }: DebugSection): Section {
  const range = { uri: "", line: 0, column: 0, endLine: 0, endColumn: 0 };
  return {
    name,
    flags: { alloc: false, write: false, exec: false, nobits: false },
    align: 1,
    bytes,
    size: bytes.length,
    relocations: references.map(({ offset, size, section, addend }) => ({
      offset,
      size,
      kind: "abs",
      signed: false,
      symbol: section,
      addend,
      range,
    })),
    ...(strings && { elf: { flags: "MS", entrySize: 1 } }),
  };
}
