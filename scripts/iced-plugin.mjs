// esbuild plugins shared by every bundle: `?raw` text imports, and iced-x86 with its WebAssembly bytes embedded, its tables unpacked
// (its own loader reads them with node:fs, which does not exist in a browser worker).
import { readFile } from "node:fs/promises";
import path from "node:path";
import { startedIced } from "./iced-started.mjs";

/** `import text from "./file.S?raw"` gives the file's text. */
export const rawText = {
  name: "raw-text",
  setup(build) {
    build.onResolve({ filter: /\?raw$/ }, (args) => ({
      path: path.resolve(args.resolveDir, args.path.slice(0, -"?raw".length)),
      namespace: "raw-text",
    }));
    build.onLoad({ filter: /.*/, namespace: "raw-text" }, async (args) => ({
      contents: await readFile(args.path, "utf8"),
      loader: "text",
      watchFiles: [args.path],
    }));
  },
};

/** Replaces the two lines of iced-x86's loader that need Node by embedded bytes. */
export const embeddedIced = {
  name: "embedded-iced",
  setup(build) {
    build.onLoad({ filter: /iced_x86\.js$/ }, async (args) => {
      const source = await readFile(args.path, "utf8");
      const contents = source
        .replace(/const \{ TextDecoder, TextEncoder \} = require\(`util`\);/, "")
        .replace(/const path = require\('path'\)\.join\(__dirname, 'iced_x86_bg\.wasm'\);/, "")
        .replace(
          /const bytes = require\('fs'\)\.readFileSync\(path\);/,
          "const bytes = require('./iced_x86_bg.wasm');",
        );
      if (/require\(['`](util|fs|path)['`]\)/.test(contents)) throw new Error("iced-x86's loader has changed");
      return { contents, loader: "js" };
    });
    build.onLoad({ filter: /iced_x86_bg\.wasm$/ }, async (args) => ({
      contents: startedIced(await readFile(args.path)),
      loader: "binary",
    }));
  },
};
