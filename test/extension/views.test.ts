import { describe, expect, it } from "vitest";
import { espfixView } from "../../extension/webview/espfix.ts";
import { kernelStateView } from "../../extension/webview/kernel-state.ts";
import { type ElementNode, textOf, type ViewNode } from "../../extension/webview/tree.ts";
import type { EspfixState, KernelState } from "../../src/adapter/debug/views.ts";

const state = (over: Partial<KernelState> = {}): KernelState => ({
  arch: "x86_64",
  preset: "linux-6.1",
  task: { pid: 7, name: "hello" },
  mode: { cpl: 3, bits: 64, v86: false },
  status: [{ name: "TS_COMPAT", value: "0x0", meaning: "In a 32-bit system call." }],
  flags: [
    { name: "TIF_SIGPENDING", bit: 2, set: false, meaning: "A signal waits." },
    {
      name: "TIF_NEED_RESCHED",
      bit: 3,
      set: true,
      meaning: "Schedule first.",
      lastChanged: { icount: 12345, by: "timer" },
    },
  ],
  syscallWork: [],
  ptRegs: [{ name: "ax", value: "0x1" }],
  ...over,
});

function find(node: ViewNode, name: string): ElementNode | undefined {
  if (typeof node === "string") return undefined;
  if (node.attributes["data-name"] === name) return node;
  for (const child of node.children) {
    const found = find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
const classOf = (node: ViewNode, name: string) => String(find(node, name)!.attributes.class).split(" ");

describe("the Kernel State view", () => {
  it("says what each flag means and when it last changed", () => {
    const row = find(kernelStateView(state(), undefined), "TIF_NEED_RESCHED")!;
    expect(row.attributes.title).toBe("Schedule first. Last changed at instruction 12,345 by timer.");
    expect(row.attributes["aria-label"]).toMatch(/^TIF_NEED_RESCHED set\. Schedule first\./);
  });

  it("shows the flags' word in hexadecimal", () => {
    expect(textOf(kernelStateView(state(), undefined))).toContain("flags 0x8");
  });

  it("marks what differs from the stop before, and only that", () => {
    const now = state({
      status: [{ name: "TS_COMPAT", value: "0x2", meaning: "" }],
      ptRegs: [{ name: "ax", value: "0x2" }],
    });
    const view = kernelStateView(now, state());
    expect(classOf(view, "TS_COMPAT")).toEqual(["row", "changed", "set"]);
    expect(classOf(view, "ax")).toContain("changed");
    expect(classOf(view, "TIF_SIGPENDING")).toEqual(["row", "clear"]);
    expect(find(view, "ax")!.attributes.title).toBe("pt_regs.ax = 0x2, was 0x1");
  });

  it("marks a bit that was set and cleared again between two stops", () => {
    const flag = (icount: number) => [
      { name: "TIF_SIGPENDING", bit: 2, set: false, meaning: "A signal waits.", lastChanged: { icount, by: "x" } },
    ];
    const view = kernelStateView(state({ flags: flag(9) }), state({ flags: flag(5) }));
    expect(classOf(view, "TIF_SIGPENDING")).toEqual(["row", "changed", "clear"]);
    expect(find(view, "TIF_SIGPENDING")!.attributes.title).toContain(
      "It was set and cleared again since the last stop.",
    );
    expect(
      classOf(kernelStateView(state({ flags: flag(9) }), state({ flags: flag(9) })), "TIF_SIGPENDING"),
    ).not.toContain("changed");
  });

  it("folds away the flags that were never set", () => {
    const view = kernelStateView(state(), undefined);
    expect(textOf(view)).toContain("1 never set");
    expect(textOf(kernelStateView(state({ flags: [] }), undefined))).not.toContain("never set");
  });

  it("marks nothing at the first stop", () => {
    expect(classOf(kernelStateView(state(), undefined), "ax")).toEqual(["row"]);
  });

  it("names the exit instruction, the reason, the first failing condition and the path", () => {
    const lastExit = { instruction: "IRETQ", why: "RCX is not RIP.", firstFailing: "cx == ip", path: ["a", "b"] };
    const text = textOf(kernelStateView(state({ lastExit }), undefined));
    for (const part of ["IRETQ", "RCX is not RIP.", "cx == ip", "a", "b"]) expect(text).toContain(part);
  });

  it("tells v8086 mode from user mode", () => {
    const view = kernelStateView(state({ mode: { cpl: 3, bits: 16, v86: true } }), undefined);
    expect(textOf(view)).toMatch(/v8086\s+CPL 3\s+16-bit/);
  });
});

describe("the espfix view", () => {
  const espfix: EspfixState = {
    design: "final",
    available: true,
    inUse: false,
    ministack: {
      linear: "0xffffff00",
      physical: "0x1000",
      words: [{ address: "0xffffff00", value: "0x23", label: "CS" }],
    },
    alias: { linear: "0xffffff00", chosenBecause: "Bits 31:16 agree." },
    walk: [{ level: "PGD", index: 510, entryAddress: "0x2000", entry: "0x3067", flags: ["present"] }],
  };

  it("shows ministack, alias and page walk, and marks changed words", () => {
    const before = {
      ...espfix,
      ministack: { ...espfix.ministack!, words: [{ address: "0xffffff00", value: "0x0", label: "CS" }] },
    };
    const view = espfixView(espfix, before);
    expect(classOf(view, "CS")).toContain("changed");
    expect(textOf(view)).toContain("Bits 31:16 agree.");
    expect(textOf(view)).toMatch(/^\s*available/);
    expect(textOf(espfixView({ ...espfix, inUse: true }, before))).toMatch(/^\s*in use/);
    expect(textOf(view)).toMatch(/PGD\s+\[510\]\s+0x3067\s+present/);
  });

  it("says so when there is none", () => {
    expect(textOf(espfixView({ design: "none", available: false, inUse: false, walk: [] }, undefined))).toContain(
      "Nothing stands between",
    );
  });
});
