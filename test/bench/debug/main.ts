/**
 * `npm run bench:debug`: what debugging costs, in Ringside and in the debuggers beside it, measured one after the other in one run
 * and printed as a table with the figures that are wanted. Ringside's figures are processor time; those of the others, which are two
 * processes that take turns, are wall time: on a busy machine the latter look worse than they are. Nothing here fails for being slow.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { type GuestName, guestFiles, guestUri, nativeGuest } from "./guests.ts";
import { digits, milliseconds, perSecond, spreadOf } from "./measure.ts";
import { gdb, gdbOnQemu, gdbWatch, type OtherFigures, unicorn } from "./others.ts";
import * as ringside from "./ringside.ts";
import { printHead, printRow, type Row } from "./table.ts";

const [root = ".", ...options] = process.argv.slice(2);
const only = options[0] === "--only" ? options[1] : undefined;
const directory = mkdtempSync(path.join(tmpdir(), "ringside-bench-"));
/** Of debuggers that are not here; with --only nobody else is measured. */
const absent = only === undefined ? "absent" : "-";

async function row(measure: string, wanted: string, figures: () => Promise<Row["cells"]>): Promise<void> {
  if (only !== undefined && !measure.includes(only)) return;
  printRow({ measure, wanted, cells: await figures() });
}

/** The guest as files on disk, for an adapter of its own process. */
async function programOnDisk(): Promise<string> {
  const files = guestFiles(root);
  for (const name of ["alu.asm", "defs.inc"]) {
    writeFileSync(path.join(directory, name), (await files.read(guestUri("alu").replace("alu.asm", name)))!);
  }
  return path.join(directory, "alu.asm");
}

const steps = (figures: OtherFigures | undefined): string =>
  figures === undefined ? absent : milliseconds(spreadOf(figures.step));
const conditions = (figures: OtherFigures | undefined): string =>
  figures?.conditions === undefined ? absent : perSecond(figures.conditions);

/** p50 and p99 of all steps back and of those that are the first after a stop, and the bound in instructions. */
async function stepsBack(guest: GuestName, after: "a look" | "no time"): Promise<string> {
  const { all, first, replayed } = await ringside.stepsBack(root, guest, after, 20, 25);
  return `${milliseconds(all)} (first ${milliseconds(first)}, at most ${digits(replayed)} replayed)`;
}

async function measure(): Promise<void> {
  const program = await programOnDisk();
  const native = nativeGuest(root, "alu", directory);
  const beside = only === undefined && native !== undefined;
  const plain = beside ? gdb(root, native, "plain") : undefined;
  const record = beside ? gdb(root, native, "record") : undefined;
  const remote = beside ? gdbOnQemu(root, native) : undefined;
  const unicornFigures = only === undefined ? unicorn(root) : undefined;

  const firstStop =
    only === undefined || "first stop".includes(only) ? await ringside.firstStop(root, program, 15) : undefined;
  if (firstStop !== undefined) {
    const { adapter, all, first } = firstStop;
    await row("first stop: from launch, in a started adapter", "150 ms", async () => ({
      Ringside: milliseconds(adapter),
    }));
    await row("first stop: from the start of the adapter's process", "", async () => ({ Ringside: milliseconds(all) }));
    await row("first stop: the same, ever (nothing cached)", "", async () => ({ Ringside: `${digits(first)} ms` }));
  }
  await row("step, all scopes read, p50/p99", "", async () => ({
    Ringside: milliseconds(await ringside.steps(root, program, 400)),
    gdb: steps(plain),
    "gdb on QEMU's stub": steps(remote),
    Unicorn: steps(unicornFigures),
  }));
  await row("recording, instructions", "", async () => ({
    "gdb record full": record?.recorded === undefined ? absent : perSecond(record.recorded),
  }));
  for (const guest of ["alu", "sieve", "crc"] as const) {
    await row(`step back, 100 M deep, 0.2 s after a stop, ${guest}`, "5 ms", async () => {
      const back = record?.back === undefined ? absent : `${milliseconds(spreadOf(record.back))} at 100 k`;
      return { Ringside: await stepsBack(guest, "a look"), ...(guest === "alu" ? { "gdb record full": back } : {}) };
    });
    await row(`step back, 100 M deep, at once, ${guest}`, "", async () => ({
      Ringside: await stepsBack(guest, "no time"),
    }));
  }
  for (const guest of ["alu", "sieve", "crc"] as const) {
    await row(`reverse continue over 100 M, ${guest}`, "500 ms", async () => {
      const other = record?.reverse === undefined ? absent : `${digits(ringside.DEEP / record.reverse)} s by its rate`;
      const ours = `${digits(await ringside.reverse(root, guest))} ms`;
      return { Ringside: ours, ...(guest === "alu" ? { "gdb record full": other } : {}) };
    });
  }
  await row("reverse continue to a hot breakpoint", "500 ms", async () => ({
    Ringside: `${digits(await ringside.reverseToHot(root))} ms`,
  }));
  for (const [guest, condition] of [
    ["alu", "rcx == 0x7fffffffffff"],
    ["alu", "ZF && al > 300"],
    ["count", "dword [count] == 0xffffffff"],
    ["alu", "qword [rsp] == 0x1234567"],
    ["alu", "TS_COMPAT == 1"],
  ] as const) {
    await row(`false condition: ${condition}`, "10 M/s", async () => ({
      Ringside: perSecond(await ringside.falseConditions(root, guest, condition)),
      ...(condition.startsWith("rcx")
        ? { gdb: conditions(plain), "gdb on QEMU's stub": conditions(remote), Unicorn: conditions(unicornFigures) }
        : {}),
    }));
  }
  for (const guest of ["alu", "sieve", "crc"] as const) {
    await row(`run with an untouched data breakpoint, ${guest}`, "1.2", async () => {
      const ended = guest === "alu" ? nativeGuest(root, "alu", directory, 300_000_000) : undefined;
      const other = ended === undefined || only !== undefined ? undefined : gdbWatch(ended);
      const ours = digits(await ringside.dataBreakpoint(root, guest));
      return { Ringside: ours, ...(other === undefined ? {} : { gdb: digits(other) }) };
    });
    await row(`run with history, ${guest}`, "1.1", async () => ({
      Ringside: digits(await ringside.historyOn(root, guest)),
    }));
  }
}

try {
  printHead();
  await measure();
  console.log(`load average ${loadavg().map(digits).join(", ")}; ${Math.round(performance.now() / 1000)} s`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
