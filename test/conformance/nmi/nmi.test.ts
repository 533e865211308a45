/** A part of `npm run conformance:nmi` that every test run has: the default designs, and that the sweep sees what goes wrong. */
import { describe, expect, test } from "vitest";
import { DESIGNS } from "../../../src/emu/kernel/designs/design-table.ts";
import { PRESETS } from "../../../src/emu/kernel/designs/presets.ts";
import { EXPLAINED, isExplained } from "./explained.ts";
import { SETTINGS } from "./settings.ts";
import { type Break, type Setting, sweep } from "./sweep.ts";

describe("at every instruction of the kernel", () => {
  test.each([
    ["the vDSO's entry", "nmi", {}, 1],
    ["the vDSO's entry", "mc", {}, 1],
    ["audited calls", "nmi", { audit: "fast-path" }, 2],
    ["single steps", "mc", {}, 4],
    ["every way in", "nmi", { pti: "on" }, 11],
  ] as const)("%s, %s, %o: nothing changes", (program, event, designs, every) => {
    for (const vendor of ["intel", "amd"] as const) {
      const { tried, breaks } = sweep({ vendor, designs, program, every }, event);
      expect(breaks).toEqual([]);
      expect(tried * every).toBeGreaterThan(200);
    }
  });
});

describe("what breaks is explained", () => {
  const under = (designs: Readonly<Record<string, string>>, program: Setting["program"], range?: Setting["range"]) =>
    sweep({ vendor: "intel", designs, program, ...(range === undefined ? {} : { range }) }, "nmi").breaks;
  const unexplained = (name: string, program: Setting["program"], breaks: readonly Break[]) =>
    breaks.filter((line) => !isExplained(EXPLAINED.get(name)!, program, line));

  test("without the copy an NMI inside another one's handler writes over its frame; with it, none does", () => {
    expect(under({}, "inside an NMI", [180, 260])).toEqual([]);
    const breaks = under({ nmi: "plain" }, "inside an NMI", [180, 260]);
    expect(breaks.length).toBeGreaterThan(5);
    expect(unexplained("nmi=plain", "inside an NMI", breaks)).toEqual([]);
    // the same elsewhere, or another break there, is not
    expect(unexplained("nmi=plain", "every way in", breaks)).toEqual(breaks);
    expect(unexplained("nmi=plain", "inside an NMI", [{ at: "error_entry+4", why: "it does not end" }]).length).toBe(1);
  });

  test("a program that does not end by itself is reported, not waited for", () => {
    const breaks = under({ sysret: "no-rf-tf-check" }, "single steps");
    expect(breaks).toEqual([{ at: "without any event", why: "it does not end" }]);
    expect(unexplained("sysret=no-rf-tf-check", "single steps", breaks)).toEqual([]);
  });

  test("every explanation is of a design, and every design and preset is among the settings, once", () => {
    const names = SETTINGS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of EXPLAINED.keys()) expect(names).toContain(name);
    for (const { name } of PRESETS) expect(names).toContain(`preset=${name}`);
    const final = PRESETS[0]!.designs;
    for (const { key, value } of DESIGNS) expect(names.includes(`${key}=${value}`)).toBe(final[key] !== value);
  });
});

test("entry code that trusts CS for CR3 too breaks where the page tables are still the user's", () => {
  const trusting = (text: string) =>
    text.replace(
      "\tSAVE_AND_SWITCH_TO_KERNEL_CR3 scratch_reg=%rax save_reg=%r14 at=paranoid\n",
      "\tmovq\t%cr3, %r14\n",
    );
  const { breaks } = sweep(
    { vendor: "intel", designs: { pti: "on" }, program: "every way in", change: trusting, range: [0, 60] },
    "nmi",
  );
  expect(breaks.length).toBeGreaterThan(0);
  expect(breaks.length).toBeLessThan(30);
});

test("entry code that trusts CS in paranoid_entry breaks where GS base is still the user's", () => {
  const trusting = (text: string) => text.replace("\trdgsbase %rbx\n\tGET_PERCPU_BASE %rax\n\twrgsbase %rax\n", "");
  const { breaks } = sweep(
    { vendor: "intel", designs: {}, program: "every way in", change: trusting, range: [30, 110] },
    "mc",
  );
  expect(breaks.length).toBeGreaterThan(0);
});
