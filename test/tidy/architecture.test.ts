/** Holds the tree to ARCHITECTURE.md: the import table, the code map, and the absence of a few things. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const map = readFileSync(path.join(root, "ARCHITECTURE.md"), "utf8");

const walk = (dir: string): string[] =>
  readdirSync(path.join(root, dir)).flatMap((name) => {
    const rel = `${dir}/${name}`;
    return statSync(path.join(root, rel)).isDirectory() ? walk(rel) : [rel];
  });

interface Rule {
  folder: string;
  mayImport: string[];
  packages: { name: string; only: string | undefined }[];
}

/** Rows of the table under "## Import rules": folder | may import | packages. */
function importRules(): Rule[] {
  const section = map.split("## Import rules")[1]!.split("\n## ")[0]!;
  const rows = section.split("\n").filter((line) => /^\| (src|extension)/.test(line));
  return rows.map((row) => {
    const [, folder, may, packages] = row.split("|").map((cell) => cell.trim());
    const list = (cell: string) => (cell === "" ? [] : cell.split(", ").map((item) => item.trim()));
    return {
      folder: folder!,
      mayImport: list(may!).map((item) => (item === "everything under src" ? "src" : item)),
      packages: list(packages!).map((item) => {
        const [, name, only] = /^(\S+)(?: \(only (\S+)\))?$/.exec(item)!;
        return { name: name!, only };
      }),
    };
  });
}

const rules = importRules();
const ruleFor = (file: string) =>
  rules.filter((rule) => file.startsWith(`${rule.folder}/`)).sort((a, b) => b.folder.length - a.folder.length)[0];

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  const specifiers = [
    ...text.matchAll(/^\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|import\("([^"]+)"\)/gm),
  ];
  return specifiers.map((match) => (match[1] ?? match[2] ?? match[3])!);
}

const isUnder = (file: string, place: string) => file === place || file.startsWith(`${place}/`);

function violation(file: string, specifier: string): string | undefined {
  const rule = ruleFor(file);
  if (rule === undefined) return `${file}: its folder has no row in the import table`;
  if (specifier.startsWith(".")) {
    const target = path.posix.join(path.posix.dirname(file), specifier.replace(/\?raw$/, ""));
    const places = [rule.folder, ...rule.mayImport];
    return places.some((place) => isUnder(target, place)) ? undefined : `${file} may not import ${target}`;
  }
  const allowed = rule.packages.some(
    ({ name, only }) =>
      (name.endsWith("*")
        ? specifier.startsWith(name.slice(0, -1))
        : specifier === name || specifier.startsWith(`${name}/`)) &&
      (only === undefined || isUnder(file, only)),
  );
  return allowed ? undefined : `${file} may not import the package ${specifier}`;
}

const sources = [...walk("src"), ...walk("extension")].filter((file) => /\.m?ts$/.test(file));

describe("ARCHITECTURE.md is a true map", () => {
  it("the import table holds for every source file", () => {
    expect(rules.length).toBeGreaterThan(5);
    const bad = sources.flatMap((file) => importsOf(file).map((specifier) => violation(file, specifier)));
    expect(bad.filter((line) => line !== undefined)).toEqual([]);
  });

  it("names every folder of sources and of tests, and no folder that is gone", () => {
    const folders = new Set(["src", "extension", "syntaxes", "scripts"].flatMap(walk).map(path.posix.dirname));
    // of the tests, the folders at the top; below them they mirror the tree
    for (const file of walk("test")) folders.add(file.split("/").slice(0, 2).join("/"));
    for (const name of readdirSync(path.join(root, "test"))) if (name.includes(".")) folders.delete(`test/${name}`);
    const unnamed = [...folders].filter((folder) => !map.includes(`\`${folder}/\``));
    expect(unnamed).toEqual([]);
    const named = [...map.matchAll(/^\| `((?:src|extension|test|syntaxes|scripts|scenarios|docs)[^`]*)\/` \|/gm)].map(
      (m) => m[1]!,
    );
    const gone = named.filter((folder) => !statSync(path.join(root, folder), { throwIfNoEntry: false })?.isDirectory());
    expect(gone).toEqual([]);
  });
});

describe("the tree", () => {
  it("reads no host clock and no host randomness under src/emu", () => {
    const bad = sources
      .filter((file) => file.startsWith("src/emu/"))
      .filter((file) =>
        /\bDate\b\.?(now|\()|Math\.random|performance\.now/.test(readFileSync(path.join(root, file), "utf8")),
      );
    expect(bad).toEqual([]);
  });

  it("keeps source files small", () => {
    const long = sources.filter((file) => readFileSync(path.join(root, file), "utf8").split("\n").length > 700);
    expect(long).toEqual([]);
  });
});
