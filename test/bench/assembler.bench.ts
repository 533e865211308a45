/** Speed of the assembler (`npm run bench`): a file of 100,000 lines beside `nasm` on the same text. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, bench, describe } from "vitest";
import { requireTool } from "../tools.ts";
import { program } from "./program.ts";
import { shippedAssembler } from "./shipped.ts";

const { assemble, writeElfObject } = await shippedAssembler();
const folder = mkdtempSync(path.join(tmpdir(), "ringside-bench-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const once = { iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 };

describe("a file of 100,000 lines", () => {
  for (const dialect of ["nasm", "gas"] as const) {
    const text = program(100_000, dialect);
    bench(
      `ringside, ${dialect}`,
      () => void writeElfObject(assemble({ uri: "a", text }, { dialect, bits: 64 }), true),
      once,
    );
  }
  if (requireTool("nasm", ["-v"])) {
    writeFileSync(path.join(folder, "a.asm"), program(100_000, "nasm"));
    bench("nasm", () => void spawnSync("nasm", ["-f", "elf64", "a.asm", "-o", "a.o"], { cwd: folder }), once);
  }
});
