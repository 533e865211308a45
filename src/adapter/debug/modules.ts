/** What is loaded: the program, its vDSO, the kernel, each with the addresses it takes and the sources it comes from. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import type { KernelAccess, Target } from "./target.ts";

export interface Module {
  readonly name: string;
  readonly start: Addr;
  readonly end: Addr;
  readonly sources: readonly string[];
}

export type Range = Omit<Module, "sources">;

export function modulesOf(target: Target, cpu: Cpu): Module[] {
  const { symbols } = target;
  return rangesOf(target, cpu).map((range) => ({ ...range, sources: symbols.sourcesIn(range.start, range.end) }));
}

/** Without the sources, which take longer to find. */
export const rangesOf = (target: Target, cpu: Cpu): Range[] =>
  target.kernel === undefined ? bareRange(target) : kernelRanges(target.kernel, cpu, target.programName);

/** Without a kernel the program is what has a name. */
function bareRange({ symbols, programName }: Target): Range[] {
  const [first, last] = [symbols.all[0], symbols.all.at(-1)];
  return first === undefined || last === undefined
    ? []
    : [{ name: programName, start: first.address, end: last.address }];
}

function kernelRanges(kernel: KernelAccess, cpu: Cpu, programName: string): Range[] {
  const files = kernel.mappings(cpu).filter(({ name }) => name === "[vdso]" || (name !== "" && !name.startsWith("[")));
  const names = [...new Set(files.map(({ name }) => name))];
  const mapped = names.map((name) => {
    const parts = files.filter((each) => each.name === name);
    return { name, start: parts[0]!.start, end: parts.at(-1)!.end };
  });
  const isProgram = ({ name }: Range) => name.endsWith(programName);
  return [
    ...mapped.filter(isProgram),
    ...mapped.filter((each) => !isProgram(each)),
    { name: "kernel", ...kernel.text },
  ];
}
