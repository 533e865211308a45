/** Images that a build carries: the same as assembled anew, there for what people run by default, and embedded as they were made. */
import path from "node:path";
import * as esbuild from "esbuild";
import { describe, expect, test } from "vitest";
import { assembledImages } from "../../../../scripts/images-plugin.mjs";
import { buildKernelImage, imageKey } from "../../../../src/emu/kernel/boot/image.ts";
import { unpackImage } from "../../../../src/emu/kernel/boot/packed.ts";
import { prebuild } from "../../../../src/emu/kernel/boot/prebuild.ts";
import { PREBUILT, type Prebuilt } from "../../../../src/emu/kernel/boot/prebuilt.ts";
import { chooseDesigns } from "../../../../src/emu/kernel/designs/designs.ts";
import { archOf, kernelDefines } from "../../../../src/emu/kernel/system.ts";
import { unpackVdso, VDSO_KINDS, vdsoImage } from "../../../../src/emu/kernel/vdso/index.ts";
import { Machine } from "../../../../src/emu/machine/machine.ts";

const prebuilt = prebuild();

describe("prebuilt images", () => {
  test("the sources carry none, so what is asked for here is assembled", () => {
    expect(PREBUILT).toEqual({ kernels: {}, vdsos: {} });
  });

  test.each([
    ["x86_64", "intel"],
    ["x86_64", "amd"],
    ["i386", "intel"],
    ["i386", "amd"],
  ] as const)("%s on %s: unpacked, it is what the assembler gives", (name, vendor) => {
    const choice = chooseDesigns("linux-6.1", {});
    if (typeof choice === "string") throw new Error(choice);
    const cpu = { vendor, model: "current", quirks: [] } as const;
    const machine = new Machine({ cpus: 2, cpu, ramSize: 1 << 25, seed: 7 });
    const arch = archOf(name, choice);
    const defines = kernelDefines(arch, choice, machine.cpus[0]!);
    const built = buildKernelImage(arch, defines, undefined);
    if ("problems" in built) throw new Error(built.problems[0]!.message);
    const packed = prebuilt.kernels[imageKey(arch, defines)];
    expect(packed).toBeDefined();
    const image = unpackImage(packed!);
    expect(image).toEqual(built.image);
    expect(image.lines.length).toBeGreaterThan(500);
    expect(image.constants.size).toBeGreaterThan(100);
  });

  test("another design has another key", () => {
    const choice = chooseDesigns("linux-6.1", { espfix: "none" });
    if (typeof choice === "string") throw new Error(choice);
    const cpu = { vendor: "intel", model: "current", quirks: [] } as const;
    const machine = new Machine({ cpus: 1, cpu, ramSize: 1 << 25, seed: 0 });
    const arch = archOf("x86_64", choice);
    expect(prebuilt.kernels[imageKey(arch, kernelDefines(arch, choice, machine.cpus[0]!))]).toBeUndefined();
  });

  test.each(VDSO_KINDS)("vDSO %s", (kind) => {
    expect(unpackVdso(prebuilt.vdsos[kind]!)).toEqual(vdsoImage(kind));
  });

  test("a bundle has them in the place of the empty table", async () => {
    const module = path.resolve(import.meta.dirname, "../../../../src/emu/kernel/boot/prebuilt.ts");
    const { outputFiles } = await esbuild.build({
      stdin: { contents: `export * from ${JSON.stringify(module)}`, resolveDir: "/" },
      bundle: true,
      write: false,
      format: "iife",
      globalName: "bundle",
      plugins: [assembledImages],
    });
    const embedded = new Function(`${outputFiles[0]!.text}; return bundle.PREBUILT;`)() as Prebuilt;
    expect(embedded).toEqual(prebuilt);
  });
});
