/**
 * The vDSO images, assembled from their sources when first asked for. An image is a complete ELF file and is mapped as it is; its
 * symbols are offsets in it, those that only the kernel needs (landing pads) included.
 */
import { assemble, link } from "../../../asmlang/index.ts";
import type { Image } from "../../../asmlang/types.ts";
import { later } from "../../cpu/later.ts";
import { PAGE_SIZE } from "../../cpu/memory.ts";
import { packBytes, packLines, unpackBytes, unpackLines } from "../boot/packed.ts";
import { PREBUILT } from "../boot/prebuilt.ts";
import vdso32 from "./vdso32.S?raw";
import vdso64 from "./vdso64.S?raw";

/** "64", or the 32-bit image by the instruction that its __kernel_vsyscall prefers. */
export const VDSO_KINDS = ["64", "32-int80", "32-sysenter", "32-syscall"] as const;
export type VdsoKind = (typeof VDSO_KINDS)[number];

export interface VdsoImage {
  readonly kind: VdsoKind;
  readonly bits: 32 | 64;
  /** Whole pages. */
  readonly bytes: Uint8Array;
  /** Bytes of the ELF file itself. */
  readonly size: number;
  /** Offsets from the image's start. */
  readonly symbols: ReadonlyMap<string, number>;
  readonly lines: Image["lines"];
}

/** Pages of kernel data mapped in front of the image: vvar, pvclock, hvclock, timens. */
export const VVAR_PAGES = 4;

const ENTRY: Readonly<Record<VdsoKind, number>> = { "64": 0, "32-int80": 0, "32-sysenter": 1, "32-syscall": 2 };
const images = new Map<VdsoKind, VdsoImage>();

export function vdsoImage(kind: VdsoKind): VdsoImage {
  let image = images.get(kind);
  if (image === undefined) {
    const packed = PREBUILT.vdsos[kind];
    images.set(kind, (image = packed === undefined ? build(kind) : unpackVdso(packed)));
  }
  return image;
}

type PackedVdso = Omit<VdsoImage, "bytes" | "symbols" | "lines"> & {
  readonly bytes: string;
  readonly symbols: readonly (readonly [string, number])[];
  readonly lines: string;
};

/** As text, for a build to carry. */
export const packVdso = (image: VdsoImage): string =>
  JSON.stringify({
    ...image,
    bytes: packBytes(image.bytes),
    symbols: [...image.symbols],
    lines: packLines(image.lines),
  } satisfies PackedVdso);

export function unpackVdso(text: string): VdsoImage {
  const { bytes, symbols, lines, ...rest } = JSON.parse(text) as PackedVdso;
  const rows = later(() => unpackLines(lines));
  return {
    ...rest,
    bytes: unpackBytes(bytes),
    symbols: new Map(symbols),
    get lines() {
      return rows();
    },
  };
}

/** The names and texts of the sources, for a debugger to show. */
export const VDSO_SOURCES: readonly { readonly uri: string; readonly text: string }[] = [
  { uri: "ringside:kernel/vdso/vdso64.S", text: vdso64 },
  { uri: "ringside:kernel/vdso/vdso32.S", text: vdso32 },
];

function build(kind: VdsoKind): VdsoImage {
  const bits = kind === "64" ? 64 : 32;
  const source = VDSO_SOURCES[bits === 64 ? 0 : 1]!;
  const object = assemble(source, { dialect: "gas", bits, defines: { VDSO_ENTRY: ENTRY[kind] } });
  const linked = link([object], { base: 0n });
  const problem = [...object.diagnostics, ...linked.diagnostics].find((d) => d.severity === "error");
  if (problem !== undefined) throw new Error(`${source.uri}:${problem.range.line + 1}: ${problem.message}`);
  const text = linked.segments.find((segment) => segment.section === ".text");
  if (text === undefined) throw new Error(`${source.uri} has no .text`);
  const start = text.address;
  const parts = linked.segments.filter((segment) => segment.bytes.length > 0);
  const size = Math.max(...parts.map((part) => Number(part.address - start) + part.bytes.length));
  const bytes = new Uint8Array(Math.ceil(size / PAGE_SIZE) * PAGE_SIZE);
  for (const part of parts) bytes.set(part.bytes, Number(part.address - start));
  const labels = object.symbols.filter((symbol) => symbol.section === text.section);
  return {
    kind,
    bits,
    bytes,
    size,
    symbols: new Map(labels.map(({ name }) => [name, Number(linked.symbols.get(name)! - start)])),
    lines: linked.lines.map((line) => ({ ...line, address: line.address - start })),
  };
}
