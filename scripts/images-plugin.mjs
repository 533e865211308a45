// esbuild plugin: the kernel and vDSO images, assembled once a build by Ringside's own assembler, in the place of the empty table in
// src/emu/kernel/boot/prebuilt.ts, and iced's tables of instructions in that of src/emu/cpu/opcodes-prebuilt.ts. So no run has to make
// them first.
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { embeddedIced, rawText } from "./iced-plugin.mjs";

const boot = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "src/emu/kernel/boot");

/** Runs prebuild.ts from the sources as they are, without a file on the way; gives its result and the files it is made of. */
async function assemble() {
  const { outputFiles, metafile } = await esbuild.build({
    entryPoints: [path.join(boot, "prebuild.ts")],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    plugins: [rawText, embeddedIced],
  });
  const module = { exports: {} };
  new Function("module", "exports", "require", outputFiles[0].text)(
    module,
    module.exports,
    createRequire(import.meta.url),
  );
  const files = Object.keys(metafile.inputs).map((file) => path.resolve(file.replace(/^raw-text:/, "")));
  return { prebuilt: module.exports.prebuild(), opCodes: module.exports.packOpCodes(), files };
}

/** Bundles that are built at the same time share one result. */
let current;

export const assembledImages = {
  name: "assembled-images",
  setup(build) {
    build.onEnd(() => {
      current = undefined;
    });
    build.onLoad({ filter: /kernel[\\/]boot[\\/]prebuilt\.ts$/ }, async () => {
      const { prebuilt, files } = await (current ??= assemble());
      return { contents: `export const PREBUILT = ${JSON.stringify(prebuilt)};`, loader: "js", watchFiles: files };
    });
    build.onLoad({ filter: /emu[\\/]cpu[\\/]opcodes-prebuilt\.ts$/ }, async () => {
      const { opCodes } = await (current ??= assemble());
      return { contents: `export const PREBUILT_OPCODES = ${JSON.stringify(opCodes)};`, loader: "js" };
    });
  },
};
