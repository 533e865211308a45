/** The kernel image: entry code and up-call stubs, assembled by our own assembler and linked where the layout says. */
import { assemble, constantsOf, link } from "../../../asmlang/index.ts";
import type { AssembleOptions, Diagnostic, SourceText } from "../../../asmlang/types.ts";
import type { Arch } from "../arch.ts";
import { stubSource } from "../upcall.ts";
import { type LinkedImage, unpackImage } from "./packed.ts";
import { PREBUILT } from "./prebuilt.ts";

export type BuiltImage = { readonly image: LinkedImage } | { readonly problems: readonly Diagnostic[] };

/** Images by what they were made from: the same kernel is assembled once, however many systems boot it. */
const built = new Map<string, BuiltImage>();

/** @param replacement the user's own entry code, in place of the architecture's first source. */
export function buildKernelImage(
  arch: Arch,
  defines: Readonly<Record<string, number | bigint>>,
  replacement: SourceText | undefined,
): BuiltImage {
  if (replacement !== undefined) return build(arch, defines, replacement);
  const key = imageKey(arch, defines);
  let image = built.get(key);
  if (image === undefined) {
    const packed = PREBUILT.kernels[key];
    image = packed === undefined ? build(arch, defines, undefined) : { image: unpackImage(packed) };
    built.set(key, image);
  }
  return image;
}

/** What an image is made from, besides the sources. */
export const imageKey = (arch: Arch, defines: Readonly<Record<string, number | bigint>>): string =>
  `${arch.layout.arch} ${Object.entries(defines).join(" ")}`;

/** The generated source of the up-calls' entry points: a debugger can show it as it shows entry/*.S. */
export const upcallStubs = (arch: Arch): SourceText => ({
  uri: "ringside:kernel/upcalls.S",
  text: stubSource(arch.upcalls, arch.functions),
});

function build(
  arch: Arch,
  defines: Readonly<Record<string, number | bigint>>,
  replacement: SourceText | undefined,
): BuiltImage {
  // one of its own takes the place of the source of that name, one from outside that of the first
  const at = Math.max(
    0,
    arch.sources.findIndex(({ uri }) => uri === replacement?.uri),
  );
  const sources = replacement === undefined ? arch.sources : arch.sources.with(at, replacement);
  const stubs = upcallStubs(arch);
  const options: AssembleOptions = {
    dialect: "gas",
    bits: arch.bits,
    defines,
    include: (name) => {
      const text = arch.includes[name];
      return text === undefined ? undefined : { uri: `ringside:kernel/entry/${name}`, text };
    },
  };
  const objects = [...sources, stubs].map((source) => assemble(source, options));
  const base = BigInt(arch.layout.address.text);
  const image = link(objects, { base: BigInt.asUintN(arch.bits, base), entry: BigInt.asUintN(arch.bits, base) });
  const problems = [...objects.flatMap((o) => o.diagnostics), ...image.diagnostics].filter(
    (d) => d.severity === "error",
  );
  if (problems.length > 0) return { problems };
  const { segments, symbols, entry, bits } = image;
  // an up-call's opcode is written as data, but it runs, and breakpoints on it are wanted
  const lines = image.lines.map((row) => (row.uri === stubs.uri ? { ...row, bits } : row));
  return { image: { segments, symbols, constants: constantsOf(image), lines, entry, bits } };
}
