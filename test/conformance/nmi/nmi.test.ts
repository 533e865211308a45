/** A part of `npm run conformance:nmi` that every test run has: the default designs, and that the sweep sees what goes wrong. */
import { describe, expect, test } from "vitest";
import { sweep } from "./sweep.ts";

describe("at every instruction of the vDSO's entry", () => {
  test.each(["nmi", "mc"] as const)("%s: nothing changes", (event) => {
    for (const vendor of ["intel", "amd"] as const) {
      const { tried, breaks } = sweep({ vendor, designs: {}, program: "the vDSO's entry" }, event);
      expect(breaks).toEqual([]);
      expect(tried).toBeGreaterThan(200);
    }
  });
});

test("without the copy an NMI inside another one's handler writes over its frame; with it, none does", () => {
  const under = (nmi: string) =>
    sweep({ vendor: "intel", designs: { nmi }, program: "inside an NMI", range: [180, 260] }, "nmi").breaks;
  expect(under("nested")).toEqual([]);
  expect(under("plain").length).toBeGreaterThan(5);
});

test("entry code that trusts CS in paranoid_entry breaks where GS base is still the user's", () => {
  const trusting = (text: string) => text.replace("\trdgsbase %rbx\n\tGET_PERCPU_BASE %rax\n\twrgsbase %rax\n", "");
  const { breaks } = sweep(
    { vendor: "intel", designs: {}, program: "every way in", change: trusting, range: [30, 110] },
    "mc",
  );
  expect(breaks.length).toBeGreaterThan(0);
});
