/** What each way through the kernel costs under each design: the claims of the thread about exit paths, counted. */
import { describe, expect, test } from "vitest";
import { costLines, costTable } from "../../src/cli/costs.ts";

const table = costTable();
const under = (name: string) => table.find(({ designs }) => Object.values(designs).includes(name))!;
const of = (name: string, kind: string) => under(name).kinds[kind]!;

describe("costs of the exit paths", () => {
  test("every design has every way in, and what cannot leave by SYSRET does not", () => {
    for (const { kinds } of table) {
      expect(Object.keys(kinds).length).toBe(9);
      for (const kind of ["int80", "fault", "irq", "nmi", "stack16"]) expect(kinds[kind]!.exit).toBe("iret");
      expect(kinds.plain!.exit).toBe("sysret");
    }
  });

  test("a shared way out is 'unnecessary overhead for the pure interrupt return path'", () => {
    for (const kind of ["irq", "fault"])
      expect(of("shared", kind).assembly).toBeGreaterThan(of("separate", kind).assembly);
    expect(of("async-separate", "irq")).toEqual(of("separate", "irq"));
  });

  test("a flag in front of the first condition is 'almost as expensive' as the condition", () => {
    const [none, flag, asked] = ["separate", "tif-iret", "shared"].map((name) => of(name, "irq").assembly);
    expect(flag! - none!).toBeGreaterThan(0);
    expect(flag! - none!).toBeGreaterThanOrEqual((asked! - none!) / 2);
    expect(flag!).toBeLessThan(asked!);
  });

  test("abusing TIF_NOTIFY_RESUME runs the exit work that nobody needs", () => {
    expect(of("notify-resume", "sigreturn").assembly).toBeGreaterThan(of("shared", "sigreturn").assembly);
  });

  test("with one conditional SWAPGS an interrupt's exit is shorter, with as many SWAPGS", () => {
    expect(of("conditional-swapgs", "irq").assembly).toBeLessThan(of("separate", "irq").assembly);
    expect(of("conditional-swapgs", "irq").swapgs).toBe(2);
    expect(under("conditional-swapgs").codeBytes).toBeLessThan(under("separate").codeBytes);
  });

  test("the fast path saves the C half, and only it leaves work to IRET", () => {
    expect(of("fast-path-only", "plain").upcalls).toBeLessThan(of("separate", "plain").upcalls);
    for (const kind of ["work", "watched", "sigreturn"]) {
      expect(of("fast-path-only", kind).exit).toBe("iret");
      expect(of("separate", kind).exit).toBe("sysret");
    }
  });

  test("audit's own fast path saves the slow one's C half, and IRET", () => {
    const [slow, fast] = table
      .filter(({ designs }) => designs.sysret === "fast-path-only")
      .map(({ kinds }) => kinds.watched!);
    expect(slow!.exit).toBe("iret");
    expect(fast!.exit).toBe("sysret");
    expect(fast!.upcalls).toBeLessThan(slow!.upcalls);
  });

  test("a loop in assembly saves the C half of every way out, and asks the flags again each time round", () => {
    const loop = (name: string) => table.find(({ designs }) => designs.exitLoop === name)!.kinds;
    for (const kind of ["plain", "work", "fault", "irq"]) {
      expect(loop("assembly")[kind]!.upcalls, kind).toBeLessThan(of("separate", kind).upcalls);
      expect(loop("assembly")[kind]!.assembly, kind).toBeGreaterThan(of("separate", kind).assembly);
    }
    // the flag is seen on the way in, and the loop is gone round once more after it
    expect(loop("assembly").work!.assembly).toBeGreaterThan(loop("assembly").plain!.assembly + 5);
    expect(loop("sysret-careful").plain!.exit).toBe("sysret");
    expect(loop("sysret-careful").plain!.assembly).toBeLessThan(loop("assembly").plain!.assembly);
  });

  test("32-bit calls: less C, the more is assembly; and an entry that is no exception has none of an exception's C", () => {
    const int80 = (name: string) => table.find(({ designs }) => designs.compat === name)!.kinds.int80!;
    expect(int80("assembly").upcalls).toBeLessThan(int80("irqs-on").upcalls);
    expect(int80("irqs-on").upcalls).toBeLessThan(of("separate", "int80").upcalls);
  });

  test("the espfix prototype 'adds unnecessary instructions to the common path'; SWAPGS only where it is used", () => {
    expect(of("prototype", "fault").assembly).toBeGreaterThan(of("separate", "fault").assembly);
    expect(of("prototype", "fault").swapgs).toBe(of("none", "fault").swapgs);
    expect(of("prototype", "stack16").swapgs).toBe(of("none", "stack16").swapgs + 2);
  });

  test("page table isolation: three instructions a switch, one switch each way, and four of them over the ministack", () => {
    const more = (kind: string) => of("on", kind).assembly - of("separate", kind).assembly;
    for (const kind of ["plain", "int80", "fault", "irq", "nmi"]) expect(more(kind), kind).toBe(6);
    expect(more("stack16") - more("fault")).toBe(6);
    for (const kind of ["plain", "fault", "stack16"])
      expect(of("on", kind).upcalls, kind).toBe(of("separate", kind).upcalls);
    // code, without what fills its last page
    expect(under("on").codeBytes - under("separate").codeBytes).toBeLessThan(300);
  });

  test("as text: a line each, a column each", () => {
    const lines = costLines(table);
    expect(lines.length).toBe(table.length + 2);
    expect(lines[1]).toMatch(/^ +system call +with exit work +audited .* to a 16-bit stack +bytes of code$/);
    expect(lines.find((line) => line.startsWith("exitPaths=tif-iret "))).toMatch(
      / \d+ \+ \d+ \/2 S +\d+ \+ \d+ \/2 I /,
    );
    expect(new Set(lines.slice(1).map(({ length }) => length)).size).toBe(1);
  });
});
