// The licences of the packages that went into the bundles, as their authors ask: dist/THIRD-PARTY-LICENCES.txt.
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

/** Names of the packages among a bundle's inputs. */
function packagesIn(metafiles) {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const names = inputs.map((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

async function licenceOf(root, name) {
  const folder = path.join(root, "node_modules", name);
  const { version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
  const text = file === undefined ? `Licence: ${license}` : (await readFile(path.join(folder, file), "utf8")).trim();
  return `${name} ${version}\n${"=".repeat(name.length + version.length + 1)}\n\n${text}\n`;
}

/** @param metafiles esbuild's, one a bundle */
export async function writeLicences(root, metafiles) {
  const texts = await Promise.all(packagesIn(metafiles).map((name) => licenceOf(root, name)));
  await writeFile(path.join(root, "dist", "THIRD-PARTY-LICENCES.txt"), texts.join("\n\n"));
}
