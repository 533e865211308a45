/**
 * Address spaces by name and line: which program each one runs, told by its executable file, with the kernel and the vDSO beside it. Two
 * tasks may run different programs at the same addresses; one that execve has replaced is there again when time goes back.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { absolute } from "../../emu/kernel/exec/program-file.ts";
import type { Kernel } from "../../emu/kernel/kernel.ts";
import { isElf } from "../../emu/kernel/program.ts";
import type { Mm } from "../../emu/kernel/state.ts";
import { VDSO_KINDS, vdsoImage } from "../../emu/kernel/vdso/index.ts";
import { mapping } from "./kernel-access.ts";
import { type Placed, PlacedSymbols } from "./placed-symbols.ts";
import { elfProgram, type ProgramNames } from "./program-names.ts";
import { imageExtents, imageNames, lineSpans, SymbolIndex } from "./symbols.ts";
import type { Mapping } from "./target.ts";
import { Tasks } from "./tasks.ts";
import type { EhFrame } from "./unwind/eh-frame.ts";

/** What one address space holds. */
export interface Space {
  /** The executable, as its mappings are called. */
  readonly program: string;
  readonly symbols: PlacedSymbols;
  /** The program's own frame information. */
  readonly ehFrame?: EhFrame | undefined;
}

export interface LiveSpace extends Space {
  mappings(): readonly Mapping[];
}

export interface Spaces {
  /** That of a CPU's task; the last one looked at while the CPU has no program. */
  of(cpu: Cpu): Space;
  /** Those that tasks have now, with what is mapped in each, lowest first; when all have ended, the last one looked at. */
  live(): readonly LiveSpace[];
  /** What is in them, and what was in those of the past that live() has given. */
  readonly seen: readonly Placed[];
  /** Programs that could be run, running or not. */
  readonly known: readonly SymbolIndex[];
  /** Whether one of those, or any file that could be run, has such a name. */
  knows(name: string): boolean;
}

/** Shared libraries, and whatever else is mapped. */
const mappedFiles = ({ exe, vmas }: Mm): string[] => [
  ...new Set(vmas.flatMap(({ name }) => (name.startsWith("/") && name !== exe ? [name] : []))),
];

/** What is given beforehand: the program that is started, and others by what their files hold. */
export interface KnownPrograms {
  readonly first: ProgramNames;
  readonly others: ReadonlyMap<Uint8Array, ProgramNames>;
}

/** Address spaces kept at most: every execve may put vDSO and program elsewhere. */
const MOST_SPACES = 64;
/** Programs, vDSOs and their places that are remembered of the past. */
const MOST_SEEN = 256;
const NOTHING: ProgramNames = { index: new SymbolIndex([], () => []), relocatable: false, ehFrame: undefined };

export class KernelSpaces implements Spaces {
  readonly #kernel: Kernel;
  readonly tasks: Tasks;
  readonly #programs: KnownPrograms;
  readonly #kernelPart: Placed;
  /** Programs by what their files hold, and each one's number. */
  readonly #byBytes: WeakMap<Uint8Array, ProgramNames>;
  readonly #numbers = new WeakMap<ProgramNames, number>();
  #numbered = 0;
  /** By path: a file may be gone while it runs. */
  readonly #lastAt = new Map<string, ProgramNames>();
  readonly #vdsos = new Map<string, SymbolIndex>();
  readonly #spaces = new Map<string, Space>();
  readonly #seen = new Map<string, Placed>();
  #last: Space | undefined;

  constructor(kernel: Kernel, programs: KnownPrograms) {
    this.#kernel = kernel;
    this.tasks = new Tasks(kernel);
    this.#programs = programs;
    this.#byBytes = new WeakMap(programs.others);
    const { image, layout } = kernel;
    const names = imageNames(image.symbols, image.constants, layout.wordSize === 8 ? bigToAddr : Number);
    const index = new SymbolIndex(names, () => lineSpans(image), imageExtents(image));
    this.#kernelPart = { key: "kernel", index, base: 0 };
  }

  get known(): readonly SymbolIndex[] {
    return [this.#programs.first, ...this.#programs.others.values()].map(({ index }) => index);
  }

  knows(name: string): boolean {
    const isIn = (index: SymbolIndex) => index.find(name) !== undefined;
    if (this.known.some(isIn)) return true;
    return Object.values(this.#kernel.state.files).some((bytes) => isElf(bytes) && isIn(this.#programIn(bytes).index));
  }

  of(cpu: Cpu): Space {
    const mm = this.#kernel.mmOf(this.tasks.of(cpu));
    if (mm !== undefined) this.#last = this.#ofMm(mm);
    return (this.#last ??= this.live()[0] ?? { program: "", symbols: new PlacedSymbols([this.#kernelPart]) });
  }

  live(): readonly LiveSpace[] {
    const { mms } = this.#kernel.state;
    const spaces = mms
      .filter(({ exe }) => exe !== "")
      .map((mm) => ({ ...this.#ofMm(mm), mappings: () => mm.vmas.map(mapping) }));
    for (const { symbols } of spaces) this.#see(symbols.parts);
    if (spaces.length === 0 && this.#last !== undefined) return [{ ...this.#last, mappings: () => [] }];
    return spaces;
  }

  get seen(): readonly Placed[] {
    return [...this.#seen.values()];
  }

  /** What is there now is forgotten last. */
  #see(parts: readonly Placed[]): void {
    for (const part of parts) {
      this.#seen.delete(part.key);
      this.#seen.set(part.key, part);
    }
    for (const key of [...this.#seen.keys()].slice(0, -MOST_SEEN)) this.#seen.delete(key);
  }

  #ofMm(mm: Mm): Space {
    const program = this.#programAt(mm.exe);
    const files = [mm.exe, ...mappedFiles(mm)].map((name) => this.#placeFile(mm, name));
    const parts = [...files, this.#kernelPart, ...this.#vdsoOf(mm)];
    const key = parts.map((part) => part.key).join(" ");
    const known = this.#spaces.get(key);
    if (known !== undefined) return known;
    if (this.#spaces.size >= MOST_SPACES) this.#spaces.clear();
    const space = { program: mm.exe, symbols: new PlacedSymbols(parts), ehFrame: program.ehFrame };
    this.#spaces.set(key, space);
    return space;
  }

  /** By path as the kernel itself finds it: the first program need not be a file. */
  #programAt(exe: string): ProgramNames {
    const { options, state } = this.#kernel;
    if (absolute(exe) === absolute(options.program.name)) return this.#programs.first;
    const bytes = state.files[exe];
    const program = bytes === undefined ? (this.#lastAt.get(exe) ?? NOTHING) : this.#programIn(bytes);
    this.#lastAt.set(exe, program);
    return program;
  }

  #programIn(bytes: Uint8Array): ProgramNames {
    const program = this.#byBytes.get(bytes) ?? elfProgram(bytes);
    this.#byBytes.set(bytes, program);
    return program;
  }

  /** One that goes where it is put begins with its lowest mapping. */
  #placeFile({ vmas }: Mm, name: string): Placed {
    const program = this.#programAt(name);
    const base = program.relocatable ? (vmas.find((vma) => vma.name === name)?.start ?? 0) : 0;
    const number = this.#numbers.get(program) ?? ++this.#numbered;
    this.#numbers.set(program, number);
    return { key: `program ${number}@${base}`, index: program.index, base };
  }

  #vdsoOf({ context }: Mm): Placed[] {
    const { vdso: base, vdsoImage: image } = context;
    const kind = VDSO_KINDS.find((name) => name === image);
    if (base === 0 || kind === undefined) return [];
    const index = this.#vdsos.get(kind) ?? vdsoIndex(kind);
    this.#vdsos.set(kind, index);
    return [{ key: `vdso ${kind}@${base}`, index, base }];
  }
}

/** The spaces of the one system that is made with it: what is needed before there is a kernel. */
export function laterSpaces(programs: () => KnownPrograms): (kernel: Kernel) => KernelSpaces {
  let spaces: KernelSpaces | undefined;
  return (kernel) => (spaces ??= new KernelSpaces(kernel, programs()));
}

function vdsoIndex(kind: (typeof VDSO_KINDS)[number]): SymbolIndex {
  const { symbols, lines, size } = vdsoImage(kind);
  const names = [...symbols].map(([name, offset]) => ({ name, address: offset }));
  const segments = [{ address: 0n, memorySize: size }];
  return new SymbolIndex(names, () => lineSpans({ lines, segments }), imageExtents({ segments }));
}

/** The only one there is without a kernel. */
export function bareSpaces(program: string, index: SymbolIndex): Spaces {
  const parts = [{ key: program, index, base: 0 }];
  const space = { program, symbols: new PlacedSymbols(parts), mappings: () => [] };
  return { of: () => space, live: () => [space], seen: parts, known: [index], knows: () => false };
}
