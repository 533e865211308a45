/** What the Variables view shows of the running frame: registers, flags, segments, kernel state, symbols, stack. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { SEG, SEG_NULL, type SegIndex } from "../../emu/cpu/layout.ts";
import { isEmpty, readBits } from "../../emu/cpu/ops/x87-state.ts";
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";
import { dplOf, isSystem } from "../../emu/cpu/system/descriptor.ts";
import { descriptorKind } from "./descriptor-list.ts";
import { hex, hexAddr } from "./format.ts";
import { peekValue } from "./guest-memory.ts";
import { espfixScope, ptRegsScope, taskScope } from "./kernel-scopes.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";
import type { Reference } from "./reference.ts";
import { FLAG_BITS, GPR_NAMES, registerReference, SEGMENT_NAMES } from "./registers.ts";
import { expressionScope, memoryReference } from "./scope.ts";
import type { Frame } from "./stack.ts";
import type { Target } from "./target.ts";
import { elementsOf, leaf, type Variable, type VariableScope } from "./variables.ts";
import { viewsOf } from "./vector-registers.ts";

/** A program with a C library in it has thousands. */
const MANY_SYMBOLS = 1500;

/** What a frame shows: its own registers and stack, then what it shares with the others of its CPU and task. */
export function scopesOf(target: Target, cpu: Cpu, frame: Frame): VariableScope[] {
  const { kernel } = target;
  const symbols = target.symbols(cpu);
  const view: View = { target, cpu, frame, symbols, name: expressionScope(target, cpu, frame).name };
  // the processor's segment registers are those of the kernel while user code waits behind it
  const sharesCpu = frame.cpl === cpu.cpl;
  const scopes: VariableScope[] = [
    { name: "Registers", hint: "registers", expensive: false, variables: () => registers(view) },
    { name: "Flags", expensive: false, variables: () => flags(view) },
  ];
  if (sharesCpu) scopes.push({ name: "Segments", expensive: false, variables: () => segments(cpu) });
  scopes.push(
    { name: "Stack", expensive: false, variables: () => stackWords(view) },
    { name: "Symbols", expensive: symbols.count > MANY_SYMBOLS, variables: () => programSymbols(view) },
  );
  if (kernel !== undefined) scopes.push(taskScope(kernel, cpu), ptRegsScope(kernel, cpu), espfixScope(kernel, cpu));
  if (sharesCpu) scopes.push({ name: "Control registers", expensive: false, variables: () => controlRegisters(cpu) });
  scopes.push(
    { name: "SSE", expensive: true, variables: () => sse(cpu, frame.bits) },
    { name: "x87", expensive: true, variables: () => x87(cpu) },
  );
  return scopes;
}

/** A frame, and what names mean in it. */
interface View {
  readonly target: Target;
  readonly cpu: Cpu;
  readonly frame: Frame;
  readonly symbols: PlacedSymbols;
  readonly name: (name: string) => Reference | undefined;
}

const CONTROL_NAMES = [
  "cr0",
  "cr2",
  "cr3",
  "cr4",
  "cr8",
  "efer",
  "cpl",
  "gdtr.base",
  "gdtr.limit",
  "idtr.base",
  "idtr.limit",
  "fs_base",
  "gs_base",
  "kernel_gs_base",
  "star",
  "lstar",
  "cstar",
  "sfmask",
  "sysenter_cs",
  "sysenter_esp",
  "sysenter_eip",
  "dr0",
  "dr1",
  "dr2",
  "dr3",
  "dr6",
  "dr7",
];

const named = (cpu: Cpu, names: readonly string[]): Variable[] =>
  names.map((name) => leaf(name, registerReference(cpu, name)!));

/** Those that hold no linear addresses. */
const BITS_AND_FRAMES: ReadonlySet<string> = new Set(["cr0", "cr3", "cr4", "efer", "star", "sfmask", "dr6", "dr7"]);

const controlRegisters = (cpu: Cpu): Variable[] =>
  named(cpu, CONTROL_NAMES).map((each) => (BITS_AND_FRAMES.has(each.name) ? { ...each, pointsTo: undefined } : each));

/** The general registers at the width of the frame's code, each with its parts below it; then the instruction pointer. */
function registers(view: View): Variable[] {
  const { bits } = view.frame;
  const count = bits === 64 ? 16 : 8;
  const names = GPR_NAMES.slice(0, count).map((name) => (bits === 64 ? name : name.replace(/^r/, "e")));
  const general = names.map((name, i) => withParts(view, name, i));
  return [...general, instructionPointer(view), register(view, bits === 64 ? "rflags" : "eflags")];
}

/** It points into the code segment. */
const instructionPointer = (view: View): Variable => ({
  ...register(view, view.frame.bits === 64 ? "rip" : "eip"),
  pointsTo: addrToBig(view.frame.address),
});

/** Of a frame that waits, some registers are gone: whatever ran above it was free to use them. */
function register({ name }: View, wanted: string): Variable {
  const reference = name(wanted)!;
  return leaf(wanted, reference, reference.read() === undefined ? { value: "not known" } : {});
}

function withParts(view: View, name: string, index: number): Variable {
  const shown = register(view, name);
  const reference = view.name(name)!;
  const value = reference.read();
  if (value === undefined) return shown;
  const near = value > 0xffffn ? view.symbols.describe(Number(BigInt.asIntN(64, value))) : undefined;
  return {
    ...shown,
    ...(near === undefined ? {} : { value: `${hex(value, reference.bits)} <${near}>` }),
    children: () => partNames(index).map((part) => register(view, part)),
  };
}

/** rax: rax eax ax ah al. r9: r9 r9d r9w r9b. */
function partNames(index: number): string[] {
  const full = GPR_NAMES[index]!;
  if (index >= 8) return [full, `${full}d`, `${full}w`, `${full}b`];
  const word = full.slice(1);
  const letter = word[0]!;
  return [full, `e${word}`, word, ...(index < 4 ? [`${letter}h`, `${letter}l`] : [`${word}l`])];
}

const flags = (view: View): Variable[] => [...Object.keys(FLAG_BITS), "IOPL"].map((name) => register(view, name));

function segments(cpu: Cpu): Variable[] {
  return [...SEGMENT_NAMES, "ldtr", "tr"].map((name) => segmentVariable(cpu, name));
}

const HIDDEN_FIELDS = ["base", "limit", "attr", "type", "dpl", "p", "l", "d"];

function segmentVariable(cpu: Cpu, name: string): Variable {
  const seg = SEG[name.toUpperCase() as keyof typeof SEG] as SegIndex;
  const selector = registerReference(cpu, name)!;
  return {
    ...leaf(name, selector, { value: `${hex(cpu.selector(seg), 16)}  ${describeSegment(cpu, seg)}` }),
    type: "selector; below it the hidden part that the processor really uses",
    children: () => [
      leaf(`${name}.selector`, selector, { evaluateName: name }),
      ...named(
        cpu,
        HIDDEN_FIELDS.map((field) => `${name}.${field}`),
      ),
    ],
  };
}

/** One line of the hidden part: "64-bit code, DPL 3", "16-bit data, base 0x.., limit 0x..", "unusable". */
function describeSegment(cpu: Cpu, seg: SegIndex): string {
  const attr = cpu.segAttr(seg);
  if (attr & SEG_NULL) return "null (unusable)";
  const place = `base ${hexAddr(cpu.segBase(seg), 32)}, limit ${hex(cpu.segLimit(seg) >>> 0, 32)}`;
  const rights = isSystem(attr) ? "" : `DPL ${dplOf(attr)}, `;
  return `${descriptorKind(attr)}, ${rights}${place}`;
}

const STACK_WORDS = 32;
/** By the width of the code. */
const SIZE_OF = { 16: "word", 32: "dword", 64: "qword" } as const;
const STACK_TOP = { 16: "ss:sp", 32: "ss:esp", 64: "rsp" } as const;

function stackWords({ cpu, frame, symbols }: View): Variable[] {
  const width = frame.bits / 8;
  const top = frame.sp;
  const words: Variable[] = [];
  for (let i = 0; i < STACK_WORDS; i++) {
    const reference = memoryReference(cpu, top + i * width, width);
    const value = reference.read();
    if (value === undefined) break;
    const near = value > 0xffffn ? symbols.describe(Number(BigInt.asIntN(64, value))) : undefined;
    const shown = hex(value, width * 8) + (near === undefined ? "" : ` <${near}>`);
    const evaluateName = `${SIZE_OF[frame.bits]} [${STACK_TOP[frame.bits]}+${hex(i * width)}]`;
    words.push(leaf(`+${hex(i * width)}`, reference, { value: shown, evaluateName }));
  }
  return words;
}

/** The program's own data and labels: what is in its segments, not the kernel's names. */
function programSymbols({ cpu, frame, symbols, name: meaningOf }: View): Variable[] {
  const width = frame.bits / 8;
  // a register or a flag may have the same name
  const named = (name: string, address: Addr) => (meaningOf(name)?.address === address ? name : hexAddr(address));
  return symbols.all
    .filter(({ address }) => address >= 0)
    .map(({ name, address }) => {
      const isCode = symbols.lineAt(address)?.bits !== undefined;
      const value = isCode ? undefined : peekValue(cpu, address, width);
      const reference = memoryReference(cpu, address, width);
      const shown = value === undefined ? hexAddr(address) : `${hexAddr(address)}: ${hex(value, width * 8)}`;
      return leaf(name, reference, {
        value: shown,
        type: isCode ? "label" : "data",
        // what is there can be looked at and changed, what is not has an address only
        ...(value === undefined
          ? { reference: undefined }
          : { evaluateName: `${SIZE_OF[frame.bits]} [${named(name, address)}]` }),
      });
    });
}

const sse = (cpu: Cpu, bits: number): Variable[] => [
  ...Array.from({ length: bits === 64 ? 16 : 8 }, (_, i) => vector(cpu, `xmm${i}`)),
  ...named(cpu, ["mxcsr"]),
];

/** A register as a whole, and below it as floats, doubles and integers, each of them with its elements. */
const vector = (cpu: Cpu, name: string): Variable => ({
  ...leaf(name, registerReference(cpu, name)!),
  children: () => viewsOf(name).map((view) => vectorView(cpu, name, view)),
});

function vectorView(cpu: Cpu, register: string, view: string): Variable {
  const evaluateName = `${register}.${view}`;
  const reference = registerReference(cpu, evaluateName)!;
  return { ...leaf(view, reference, { evaluateName }), children: () => elementsOf(reference, evaluateName) };
}

function x87(cpu: Cpu): Variable[] {
  const stack = Array.from({ length: 8 }, (_, i) => {
    const name = `st${i}`;
    const { mant, signExponent } = readBits(cpu, i);
    const shown = leaf(name, registerReference(cpu, name)!);
    return {
      ...shown,
      value: `${isEmpty(cpu, i) ? "empty" : shown.value}  (${hex(signExponent, 16)}:${hex(mant, 64).slice(2)})`,
      type: "its number, and sign and exponent : significand",
    };
  });
  return [...stack, ...named(cpu, ["fcw", "fsw", "ftw"])];
}
