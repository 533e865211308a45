/** The descriptor tables of the running CPU as text, an entry a line, decoded by the processor's own field readers. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { EFER, OFF, SEG } from "../../emu/cpu/layout.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import {
  ATTR,
  attrOf,
  baseOf,
  dplOf,
  isCode,
  isPresent,
  isSystem,
  limitOf,
  SYS,
  typeOf,
} from "../../emu/cpu/system/descriptor.ts";
import { hex, hexAddr } from "./format.ts";
import { peekValue } from "./guest-memory.ts";
import type { Target } from "./target.ts";

interface Table {
  readonly base: Addr;
  /** Offset of its last byte. */
  readonly limit: number;
}

export const GATE_TABLES = {
  gdt: (cpu: Cpu): Table => ({ base: cpu.getAddr(OFF.GDTR_BASE), limit: cpu.get32(OFF.GDTR_LIMIT) & 0xffff }),
  idt: (cpu: Cpu): Table => ({ base: cpu.getAddr(OFF.IDTR_BASE), limit: cpu.get32(OFF.IDTR_LIMIT) & 0xffff }),
  ldt: (cpu: Cpu): Table => ({ base: cpu.segBase(SEG.LDTR), limit: cpu.segLimit(SEG.LDTR) >>> 0 }),
} as const;
type TableName = keyof typeof GATE_TABLES;

/** Entries shown without an index: empty ones are left out, and so is what lies beyond this many. */
const MOST_ENTRIES = 512;

/** @param only the index of the one entry to show. */
export function describeTable(target: Target, cpu: Cpu, name: TableName, only?: number): string {
  const { base, limit } = GATE_TABLES[name](cpu);
  const long = (cpu.get32(OFF.EFER) & EFER.LMA) !== 0;
  const size = name === "idt" && long ? 16 : 8;
  const lines = [`${name} at ${hexAddr(base)}, limit ${hex(limit)}`];
  const count = Math.min(Math.floor((limit + 1) / size), MOST_ENTRIES);
  for (let index = only ?? 0; index < (only === undefined ? count : only + 1); index++) {
    if ((index + 1) * size - 1 > limit) return `${lines[0]}\n${index}: beyond the limit`;
    const text = describeEntry(target, cpu, base + index * size, long);
    if (text !== undefined) lines.push(`${only === undefined ? index : only}: ${text.text}`);
    else if (only !== undefined) lines.push(`${only}: empty`);
    if (text?.wide && name !== "idt") index++;
  }
  return lines.join("\n");
}

function describeEntry(
  target: Target,
  cpu: Cpu,
  address: Addr,
  long: boolean,
): { text: string; wide: boolean } | undefined {
  const words = [0, 4, 8].map((offset) => peekValue(cpu, address + offset, 4));
  if (words[0] === undefined || words[1] === undefined) return { text: "not mapped", wide: false };
  const [low, high, upper] = words.map((word) => Number(word ?? 0n) | 0) as [number, number, number];
  if (low === 0 && high === 0) return undefined;
  const attr = attrOf(high);
  const rights = `DPL ${dplOf(attr)}${isPresent(attr) ? "" : ", not present"}`;
  const kind = isSystem(attr) ? SYSTEM[typeOf(attr)] : undefined;
  const what = `${descriptorKind(attr)}, ${rights}`;
  if (!isSystem(attr)) return { text: `${what}, ${extent(low, high, 0)}`, wide: false };
  if (kind === undefined) return { text: what, wide: false };
  if (!kind.gate) return { text: `${what}, ${extent(low, high, long ? upper : 0)}`, wide: long };
  const offset = (BigInt(long ? upper >>> 0 : 0) << 32n) | BigInt(((high & 0xffff0000) | (low & 0xffff)) >>> 0);
  const to = Number(BigInt.asIntN(64, offset));
  const ist = long && upper !== undefined && (high & 7) !== 0 ? `, IST ${high & 7}` : "";
  const near = target.symbols(cpu).describe(to);
  const place = `${hex(low >>> 16, 16)}:${hex(offset)}${near === undefined ? "" : ` <${near}>`}`;
  return { text: `${kind.name} to ${place}, ${rights}${ist}`, wide: long };
}

function extent(low: number, high: number, upper: number): string {
  const base = (BigInt(upper >>> 0) << 32n) | BigInt.asUintN(32, BigInt(baseOf(low, high)));
  return `base ${hex(base)}, limit ${hex(limitOf(low, high) >>> 0)}`;
}

/** What a descriptor is of, by its attributes: also those that a segment register holds. */
export const descriptorKind = (attr: number): string =>
  isSystem(attr) ? (SYSTEM[typeOf(attr)]?.name ?? `reserved type ${typeOf(attr)}`) : segmentKind(attr);

function segmentKind(attr: number): string {
  if (isCode(attr)) {
    const size = attr & ATTR.L ? "64-bit" : attr & ATTR.DB ? "32-bit" : "16-bit";
    return `${size} code${attr & ATTR.CONFORMING ? ", conforming" : ""}${attr & ATTR.RW ? ", readable" : ""}`;
  }
  const size = attr & ATTR.DB ? "32-bit" : "16-bit";
  return `${size} data${attr & ATTR.EXPAND_DOWN ? ", expand-down" : ""}${attr & ATTR.RW ? "" : ", read-only"}`;
}

const SYSTEM: Readonly<Record<number, { readonly name: string; readonly gate: boolean }>> = {
  [SYS.TSS16]: { name: "16-bit TSS", gate: false },
  [SYS.LDT]: { name: "LDT", gate: false },
  [SYS.TSS16_BUSY]: { name: "16-bit TSS, busy", gate: false },
  [SYS.CALL16]: { name: "16-bit call gate", gate: true },
  [SYS.TASK_GATE]: { name: "task gate", gate: true },
  [SYS.INT16]: { name: "16-bit interrupt gate", gate: true },
  [SYS.TRAP16]: { name: "16-bit trap gate", gate: true },
  [SYS.TSS]: { name: "TSS", gate: false },
  [SYS.TSS_BUSY]: { name: "TSS, busy", gate: false },
  [SYS.CALL]: { name: "call gate", gate: true },
  [SYS.INT]: { name: "interrupt gate", gate: true },
  [SYS.TRAP]: { name: "trap gate", gate: true },
};
