/** The kernel's part of the Variables view: the task with TS_COMPAT and every TIF flag, pt_regs, espfix. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { espfixState } from "./espfix-view.ts";
import { hexAddr } from "./format.ts";
import { kernelReference } from "./kernel-fields.ts";
import { meaningOf } from "./kernel-meanings.ts";
import type { KernelAccess } from "./target.ts";
import { group, leaf, type Variable, type VariableScope } from "./variables.ts";

export const taskScope = (kernel: KernelAccess, cpu: Cpu): VariableScope => ({
  name: "Task",
  expensive: false,
  variables: () => [
    { name: "pid", value: String(kernel.task(cpu).pid), evaluateName: "task.pid" },
    { name: "comm", value: kernel.task(cpu).name },
    { name: "thread_info", value: hexAddr(kernel.threadInfo(cpu)), address: kernel.threadInfo(cpu) },
    ...Object.keys(kernel.layout.status).map((name) => bit(kernel, cpu, `TS_${name}`)),
    wordOf(kernel, cpu, "flags", Object.keys(kernel.layout.tif), "TIF_"),
    wordOf(kernel, cpu, "syscall_work", Object.keys(kernel.layout.syscallWork), "SYSCALL_WORK_"),
    group("mappings", "", () => mappings(kernel, cpu)),
  ],
});

const bit = (kernel: KernelAccess, cpu: Cpu, name: string): Variable =>
  leaf(name, kernelReference(kernel, cpu, name)!, { type: meaningOf(name) });

function wordOf(kernel: KernelAccess, cpu: Cpu, field: string, names: readonly string[], prefix: string): Variable {
  const whole = kernelReference(kernel, cpu, `thread_info.${field}`);
  if (whole === undefined) return { name: field, value: "absent in this preset" };
  return {
    ...leaf(`thread_info.${field}`, whole),
    children: () => names.map((name) => bit(kernel, cpu, prefix + name)),
  };
}

function mappings(kernel: KernelAccess, cpu: Cpu): Variable[] {
  return kernel.mappings(cpu).map(({ start, end, access, name }) => ({
    name: `${hexAddr(start)}-${hexAddr(end)}`,
    value: `${access} ${name}`.trim(),
    address: start,
  }));
}

/** The user's registers as saved on entry. Meaningful while the kernel runs; stale in user mode, and said so. */
export const ptRegsScope = (kernel: KernelAccess, cpu: Cpu): VariableScope => ({
  name: cpu.cpl === 3 ? "pt_regs (of the last entry)" : "pt_regs",
  expensive: false,
  variables: () =>
    Object.keys(kernel.layout.ptRegs).map((field) => {
      const name = `pt_regs.${field}`;
      return leaf(field, kernelReference(kernel, cpu, name)!, { evaluateName: name });
    }),
});

export const espfixScope = (kernel: KernelAccess, cpu: Cpu): VariableScope => ({
  name: "espfix",
  expensive: false,
  variables: () => {
    const state = espfixState(kernel, cpu);
    const rows: Variable[] = [{ name: "design", value: state.design }];
    if (state.ministack === undefined) return rows;
    const { linear, physical, words } = state.ministack;
    rows.push({
      ...group("ministack", `${linear}, physical ${physical}`, () =>
        words.map(({ address, value, label }) => ({
          name: `${address} ${label}`.trim(),
          value,
          address: bigToAddr(BigInt(address)),
        })),
      ),
      address: bigToAddr(BigInt(linear)),
    });
    if (state.alias !== undefined)
      rows.push({
        name: "alias",
        value: state.alias.linear,
        type: state.alias.chosenBecause,
        pointsTo: BigInt(state.alias.linear),
      });
    const walk = () =>
      state.walk.map(({ level, index, entry, flags }) => ({
        name: `${level}[${index}]`,
        value: `${entry} ${flags.join(" ")}`,
      }));
    if (state.walk.length > 0) rows.push(group("page walk", `${state.walk.length} levels`, walk));
    return rows;
  },
});
