/** What is loaded: every program that tasks run, the vDSO, the kernel, each with the addresses it takes and the sources it comes from. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { later } from "../../emu/cpu/later.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";
import type { Mapping, Target } from "./target.ts";

export interface Module {
  readonly name: string;
  readonly start: Addr;
  readonly end: Addr;
  readonly sources: readonly string[];
  /** Whether it is a program that tasks run. */
  readonly isProgram: boolean;
}

export type Range = Omit<Module, "sources">;

/** What the CPU's task has first, then what others have beside that, then the kernel. */
export function modulesOf(target: Target, cpu: Cpu): Module[] {
  const { kernel, spaces } = target;
  const here = spaces.of(cpu);
  const own = withSources(rangesOf(target, cpu), here.symbols);
  if (kernel === undefined) return own;
  const others = spaces
    .live()
    .flatMap(({ program, symbols, mappings }) => withSources(mappedRanges(mappings(), program), symbols));
  const all = [...own.slice(0, -1), ...others, ...own.slice(-1)];
  return all.filter(({ name }, i) => all.findIndex((each) => each.name === name) === i);
}

/** The sources are looked for when they are first asked for: that takes a while. */
const withSources = (ranges: readonly Range[], symbols: PlacedSymbols): Module[] =>
  ranges.map((range) => {
    const sources = later(() => symbols.sourcesIn(range.start, range.end));
    return {
      ...range,
      get sources() {
        return sources();
      },
    };
  });

/** What is mapped where the CPU is. Without the sources, which take longer to find. */
export function rangesOf(target: Target, cpu: Cpu): Range[] {
  const { kernel, spaces } = target;
  if (kernel === undefined) return bareRange(target, cpu);
  const mapped = mappedRanges(kernel.mappings(cpu), spaces.of(cpu).program);
  return [...mapped, { name: "kernel", ...kernel.text, isProgram: false }];
}

/** Without a kernel the program is what has a name. */
function bareRange(target: Target, cpu: Cpu): Range[] {
  const { all } = target.symbols(cpu);
  const [first, last] = [all[0], all.at(-1)];
  return first === undefined || last === undefined
    ? []
    : [{ name: target.programName, start: first.address, end: last.address, isProgram: true }];
}

/** Each file's mappings as one, and the vDSO's; the program first. */
function mappedRanges(mappings: readonly Mapping[], program: string): Range[] {
  const files = mappings.filter(({ name }) => name === "[vdso]" || (name !== "" && !name.startsWith("[")));
  const ranges = [...new Set(files.map(({ name }) => name))].map((name) => {
    const parts = files.filter((each) => each.name === name);
    return { name, start: parts[0]!.start, end: parts.at(-1)!.end, isProgram: name === program };
  });
  return ranges.sort((a, b) => Number(b.isProgram) - Number(a.isProgram));
}
