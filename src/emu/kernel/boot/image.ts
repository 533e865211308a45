/** The kernel image: entry code and up-call stubs, assembled by our own assembler and linked where the layout says. */
import { assemble, link } from "../../../asmlang/index.ts";
import type { AssembleOptions, Diagnostic, Image, SourceText } from "../../../asmlang/types.ts";
import type { Arch } from "../arch.ts";
import { stubSource } from "../upcall.ts";

export type BuiltImage = { readonly image: Image } | { readonly problems: readonly Diagnostic[] };

/** Images by what they were made from: the same kernel is assembled once, however many systems boot it. */
const built = new Map<string, BuiltImage>();

/** @param replacement the user's own entry code, in place of the architecture's first source. */
export function buildKernelImage(
  arch: Arch,
  defines: Readonly<Record<string, number | bigint>>,
  replacement: SourceText | undefined,
): BuiltImage {
  if (replacement !== undefined) return build(arch, defines, replacement);
  const key = `${arch.layout.arch} ${Object.entries(defines).join(" ")}`;
  let image = built.get(key);
  if (image === undefined) built.set(key, (image = build(arch, defines, undefined)));
  return image;
}

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
  const sources = replacement === undefined ? arch.sources : [replacement, ...arch.sources.slice(1)];
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
  return problems.length > 0 ? { problems } : { image };
}
