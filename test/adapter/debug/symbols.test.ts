import { describe, expect, it } from "vitest";
import { PlacedSymbols } from "../../../src/adapter/debug/placed-symbols.ts";
import { imageNames, SymbolIndex } from "../../../src/adapter/debug/symbols.ts";
import { assemble, link } from "../../../src/asmlang/index.ts";

const uri = "file:///a.asm";
const span = (start: number, end: number, line: number) => ({ start, end, uri, line, bits: 64 as const });

const index = new SymbolIndex(
  [
    { name: "_start", address: 0x1000 },
    { name: "msg", address: 0x2000 },
    { name: "entry", address: -0x7f000000 },
  ],
  // line 5 is a macro of two instructions, used again at 0x1010; line 9 is data
  () => [
    span(0x1000, 0x1003, 3),
    span(0x1003, 0x1005, 5),
    span(0x1005, 0x1007, 5),
    span(0x1007, 0x1010, 7),
    span(0x1010, 0x1012, 5),
    { ...span(0x2000, 0x2010, 9), bits: undefined },
  ],
);

const placed = new PlacedSymbols([{ key: "program", index, base: 0 }]);

describe("SymbolIndex", () => {
  it("names addresses after the nearest symbol below", () => {
    expect(placed.describe(0x1000)).toBe("_start");
    expect(placed.describe(0x1004)).toBe("_start+0x4");
    expect(placed.describe(-0x7f000000 + 0x20)).toBe("entry+0x20");
    expect(placed.describe(0x10)).toBe(undefined);
  });

  it("names no address beyond the end of a symbol's section, and only its own after a symbol behind the last byte of one", () => {
    const names = [
      { name: "_start", address: 0x1000 },
      { name: "text_end", address: 0x1020 },
      { name: "msg", address: 0x2000 },
    ];
    const extents = [
      { start: 0x2000, end: 0x2010 },
      { start: 0x1000, end: 0x1020 },
    ];
    const described = (address: number) =>
      new PlacedSymbols([{ key: "", base: 0, index: new SymbolIndex(names, () => [], extents) }]).describe(address);
    expect([0x101f, 0x1020, 0x1021, 0x200f, 0x2010, 0x2011, 0xfff].map(described)).toEqual([
      "_start+0x1f",
      "text_end",
      undefined,
      "msg+0xf",
      "msg+0x10",
      undefined,
      undefined,
    ]);
  });

  it("finds the line of any byte of an instruction, and none between", () => {
    expect(index.lineAt(0x1004)?.line).toBe(5);
    expect(index.lineAt(0x1012)).toBe(undefined);
  });

  it("puts one breakpoint on each run of a line's code", () => {
    expect(index.breakpointPlaces(uri, 5)).toEqual({ line: 5, addresses: [0x1003, 0x1010] });
  });

  it("moves a breakpoint down to the next line with code, never onto data", () => {
    expect(index.breakpointPlaces(uri, 4)?.line).toBe(5);
    expect(index.breakpointPlaces(uri, 8)).toBe(undefined);
    expect(index.codeLines(uri, 0, 100)).toEqual([3, 5, 7]);
  });
});

it("names an address after a global symbol, not after a local one beside it", () => {
  const image = link([assemble({ uri, text: "global there\nthere:\nhere: nop\n" }, { bits: 64, dialect: "nasm" })]);
  expect(new SymbolIndex(imageNames(image.symbols, new Set(), Number), () => []).nearest(0x401000)?.name).toBe("there");
});
