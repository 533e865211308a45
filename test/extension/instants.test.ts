import { describe, expect, it } from "vitest";
import {
  bookmarksIn,
  expressionOf,
  instantHelp,
  instantText,
  instructionNumber,
  sourceOf,
} from "../../extension/instants.ts";
import { kernelStateView } from "../../extension/webview/kernel-state.ts";
import type { ViewNode } from "../../extension/webview/tree.ts";

describe("an instant", () => {
  it("is told by its number, and in the past by how far the program has been", () => {
    expect(instantText({ icount: 1234567, start: 0, latest: 1234567 })).toBe("1,234,567");
    expect(instantText({ icount: 999, start: 0, latest: 1000 })).toBe("999 of 1,000");
    expect(instantHelp({ icount: 999, start: 10, latest: 1000 })).toMatch(/as far as 1,000.*begins at 10/);
  });

  it.each([
    ["1234", 1234],
    [" 1,234_567 ", 1234567],
    ["here", undefined],
    ["", undefined],
    ["12 x", undefined],
    ["99999999999999999999", undefined],
  ])("reads %j as %s", (text, number) => {
    expect(instructionNumber(text)).toBe(number);
  });

  it("is found in the console's list of bookmarks", () => {
    expect(bookmarksIn("a: instruction 5\nbefore the call: instruction 123")).toEqual([
      { name: "a", icount: 5 },
      { name: "before the call", icount: 123 },
    ]);
    expect(bookmarksIn("there are no bookmarks")).toEqual([]);
  });
});

describe("what a menu is about", () => {
  it.each([
    [{ expression: "TS_COMPAT" }, "TS_COMPAT"],
    [{ variable: { name: "ax", value: "0x1", evaluateName: "pt_regs.ax", memoryReference: "0x10" } }, "pt_regs.ax"],
    [{ variable: { name: "+0x8", value: "0x00000000004010aa <x>", memoryReference: "0x7ff8" } }, "qword [0x7ff8]"],
    [{ variable: { name: "x", value: "0x402000: 0x0000002a", memoryReference: "0x402000" } }, "dword [0x402000]"],
    [{ variable: { name: "comm", value: "hello" } }, undefined],
    [{}, undefined],
  ])("%j is %s", (given, expression) => {
    expect(expressionOf(given)).toBe(expression);
  });

  it("is carried by the rows of the Kernel State view", () => {
    const view = kernelStateView(
      {
        arch: "x86_64",
        preset: "linux-6.1",
        task: { pid: 1, name: "x" },
        mode: { cpl: 3, bits: 64, v86: false },
        status: [{ name: "TS_COMPAT", value: "0x0", meaning: "" }],
        flags: [],
        syscallWork: [],
        ptRegs: [{ name: "ip", value: "0x1" }],
      },
      undefined,
    );
    const places = (node: ViewNode): string[] =>
      typeof node === "string"
        ? []
        : [
            ...(typeof node.attributes["data-vscode-context"] === "string"
              ? [JSON.parse(node.attributes["data-vscode-context"]).expression]
              : []),
            ...node.children.flatMap(places),
          ];
    expect(places(view)).toEqual(["TS_COMPAT", "pt_regs.ip"]);
  });
});

describe("a source", () => {
  const uri = (scheme: string, path: string, query = "") => ({
    scheme,
    path,
    query,
    fsPath: path,
    toString: () => `${scheme}:${path}`,
  });

  it("is a path, a URI, or a reference of the adapter's", () => {
    expect(sourceOf(uri("file", "/w/a.s"))).toEqual({ path: "/w/a.s" });
    expect(sourceOf(uri("ringside-scenarios", "/s/a.s"))).toEqual({ path: "ringside-scenarios:/s/a.s" });
    expect(sourceOf(uri("debug", "ringside:kernel/entry_64.S", "session=x&ref=3"))).toEqual({
      path: "ringside:kernel/entry_64.S",
      sourceReference: 3,
    });
  });
});
