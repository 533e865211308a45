/** Register names, lower case without `%`, to iced Register values. */
import { Register } from "../../emu/cpu/iced.ts";

function build(): ReadonlyMap<string, number> {
  const names = new Map<string, number>();
  for (const [key, value] of Object.entries(Register)) {
    if (typeof value !== "number" || value === 0 || key.startsWith("Dont")) continue;
    const name = key.toLowerCase();
    names.set(name, value);
    if (/^r\d+l$/.test(name)) names.set(name.replace("l", "b"), value);
  }
  return names;
}

export const REGISTERS = build();

/** Registers of 64-bit mode only: their names are plain symbols elsewhere. */
export function needs64(name: string): boolean {
  return /^(r\d+[bwdl]?|r(ax|bx|cx|dx|si|di|sp|bp|ip)|[sd]il|[sb]pl|eip|[xyz]mm(8|9|[1-3]\d)|[cd]r(8|9|1\d)|tmm\d)$/.test(
    name,
  );
}

const SEGMENTS = new Set(["es", "cs", "ss", "ds", "fs", "gs"]);
export const isSegmentName = (name: string): boolean => SEGMENTS.has(name);
