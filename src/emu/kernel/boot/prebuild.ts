/** What a build makes beforehand: the default kernels for both vendors' processors, the vDSO images, iced's tables as text. */

export { packOpCodes } from "../../cpu/opcodes.ts";

import { Machine } from "../../machine/machine.ts";
import { chooseDesigns } from "../designs/designs.ts";
import { PRESETS } from "../designs/presets.ts";
import { archOf, kernelDefines } from "../system.ts";
import { packVdso, VDSO_KINDS, vdsoImage } from "../vdso/index.ts";
import { buildKernelImage, imageKey } from "./image.ts";
import { type PackedImage, packImage } from "./packed.ts";
import type { Prebuilt } from "./prebuilt.ts";

const VENDORS = ["intel", "amd"] as const;

/** @throws if one of them has errors. */
export function prebuild(): Prebuilt {
  const kernels: Record<string, PackedImage> = {};
  // the default; others are assembled when they are asked for
  for (const { name } of PRESETS.slice(0, 1)) {
    const choice = chooseDesigns(name, {});
    if (typeof choice === "string") throw new Error(choice);
    for (const arch of [archOf("x86_64", choice), archOf("i386", choice)]) {
      for (const vendor of VENDORS) {
        const cpu = { vendor, model: "current", quirks: [] } as const;
        const machine = new Machine({ cpus: 1, cpu, ramSize: 2 ** 20, seed: 0 });
        const defines = kernelDefines(arch, choice, machine.cpus[0]!);
        const built = buildKernelImage(arch, defines, undefined);
        if ("problems" in built) throw new Error(built.problems[0]!.message);
        kernels[imageKey(arch, defines)] = packImage(built.image);
      }
    }
  }
  return { kernels, vdsos: Object.fromEntries(VDSO_KINDS.map((kind) => [kind, packVdso(vdsoImage(kind))])) };
}
