/** Names, addresses and source lines of everything that can run: kernel text, the program, the mapped vDSO. */
import type { Addr } from "../cpu/state.ts";
import type { Kernel } from "./kernel.ts";
import type { SourceLine } from "./types.ts";
import { VDSO_KINDS, VDSO_SOURCES, vdsoImage } from "./vdso/index.ts";

export interface SymbolAt {
  readonly name: string;
  readonly offset: number;
  readonly space: "kernel" | "program" | "vdso";
}
interface Entry {
  readonly address: Addr;
  readonly name: string;
}
interface Line extends SourceLine {
  readonly address: Addr;
}

const toAddr = (value: bigint): Addr => Number(BigInt.asIntN(64, value));

export class SymbolTable {
  readonly #k: Kernel;
  readonly #kernel: readonly Entry[];
  readonly #program: readonly Entry[];
  readonly #kernelLines: readonly Line[];
  readonly #programLines: readonly Line[];

  constructor(kernel: Kernel) {
    this.#k = kernel;
    const { program } = kernel.options;
    this.#kernel = sorted(
      [...kernel.image.symbols].map(([name, value]) => ({ name, address: kernelAddr(kernel, value) })),
    );
    this.#program =
      program.kind === "image"
        ? sorted([...program.image.symbols].map(([name, value]) => ({ name, address: toAddr(value) })))
        : [];
    this.#kernelLines = lines(kernel.image.lines, (address) => kernelAddr(kernel, address));
    this.#programLines = program.kind === "image" ? lines(program.image.lines, toAddr) : [];
  }

  /** The address of a name: the program's first, then the kernel's, then the vDSO's. */
  address(name: string): Addr | undefined {
    const entry = this.#program.find((e) => e.name === name) ?? this.#kernel.find((e) => e.name === name);
    return entry?.address ?? this.#vdso().find((e) => e.name === name)?.address;
  }

  /** The symbol at or before an address, with the distance. */
  at(address: Addr): SymbolAt | undefined {
    for (const [space, entries] of [
      ["kernel", this.#kernel],
      ["vdso", this.#vdso()],
      ["program", this.#program],
    ] as const) {
      const entry = this.#contains(space, address) ? last(entries, address) : undefined;
      if (entry !== undefined) return { name: entry.name, offset: address - entry.address, space };
    }
    return undefined;
  }

  #contains(space: SymbolAt["space"], address: Addr): boolean {
    const { text } = this.#k.layout.address;
    if (space === "kernel") return address >= text && address < text + 0x100_0000;
    const vdso = this.#vdsoRange();
    const inVdso = vdso !== undefined && address >= vdso[0] && address < vdso[1];
    return space === "vdso" ? inVdso : !inVdso && address >= 0 && address < this.#k.layout.address.taskSizeMax;
  }

  #vdsoImage() {
    const task = this.#k.state.tasks.find((t) => !t.idle && t.mm !== undefined);
    const context = task === undefined ? undefined : this.#k.mmOf(task)?.context;
    const kind = VDSO_KINDS.find((name) => name === context?.vdsoImage);
    if (context === undefined || context.vdso === 0 || kind === undefined) return undefined;
    return { base: context.vdso, image: vdsoImage(kind) };
  }
  #vdsoRange(): readonly [Addr, Addr] | undefined {
    const found = this.#vdsoImage();
    return found === undefined ? undefined : [found.base, found.base + found.image.bytes.length];
  }
  #vdso(): readonly Entry[] {
    const found = this.#vdsoImage();
    if (found === undefined) return [];
    return sorted([...found.image.symbols].map(([name, offset]) => ({ name, address: found.base + offset })));
  }

  /** The source line of an instruction. */
  lineAt(address: Addr): SourceLine | undefined {
    const line = last(this.#contains("kernel", address) ? this.#kernelLines : this.#programLines, address);
    if (line !== undefined && !this.#inVdso(address)) return { uri: line.uri, line: line.line };
    const found = this.#vdsoImage();
    if (found === undefined || !this.#inVdso(address)) return undefined;
    return last(
      lines(found.image.lines, (offset) => found.base + Number(offset)),
      address,
    );
  }
  #inVdso(address: Addr): boolean {
    const range = this.#vdsoRange();
    return range !== undefined && address >= range[0] && address < range[1];
  }

  /** Addresses of the instructions that come from a source line; several where a macro or repetition made them. */
  addressesOf(uri: string, line: number): Addr[] {
    return [...this.#programLines, ...this.#kernelLines]
      .filter((l) => l.uri === uri && l.line === line)
      .map((l) => l.address);
  }

  /** Sources that only exist inside: kernel entry code and the vDSO, by URI. */
  sources(): readonly { readonly uri: string; readonly text: string }[] {
    const { arch, options } = this.#k;
    const included = Object.entries(arch.includes).map(([name, text]) => ({
      uri: `ringside:kernel/entry/${name}`,
      text,
    }));
    const first = options.entrySource === undefined ? arch.sources : [options.entrySource, ...arch.sources.slice(1)];
    return [...first, ...included, ...VDSO_SOURCES];
  }

  /** All program symbols, by address. */
  program(): readonly Entry[] {
    return this.#program;
  }
  kernel(): readonly Entry[] {
    return this.#kernel;
  }
}

const kernelAddr = (k: Kernel, value: bigint): Addr => (k.layout.wordSize === 8 ? toAddr(value) : Number(value));
const sorted = <T extends { readonly address: Addr }>(list: T[]): T[] => list.sort((a, b) => a.address - b.address);
const lines = (
  rows: readonly { address: bigint; uri: string; line: number }[],
  at: (address: bigint) => Addr,
): Line[] => sorted(rows.map((row) => ({ address: at(row.address), uri: row.uri, line: row.line })));

/** The last element at or before an address. */
function last<T extends { readonly address: Addr }>(list: readonly T[], address: Addr): T | undefined {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return list[low - 1];
}
