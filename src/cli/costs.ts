/** `ringside designs --costs`: instructions that each way through the kernel takes under each design, counted by running them. */
import { assemble, link } from "../asmlang/index.ts";
import { OFF } from "../emu/cpu/layout.ts";
import { inject } from "../emu/kernel/inject.ts";
import { createSystem, type System } from "../emu/kernel/system.ts";
import program from "./costs-program.S?raw";

/** One way in and out. */
export interface Cost {
  /** Instructions of entry/*.S. */
  readonly assembly: number;
  /** Instructions of the C half's entry points: the calls between up-calls, and the up-calls themselves. */
  readonly upcalls: number;
  readonly swapgs: number;
  /** How it left: "sysret" or "iret". */
  readonly exit: string;
}
export interface DesignCosts {
  readonly designs: Readonly<Record<string, string>>;
  /** Bytes that entry/*.S assembles to. */
  readonly codeBytes: number;
  /** By label of the program. */
  readonly kinds: Readonly<Record<string, Cost>>;
}

/** The ways in, by the program's labels, and what is asked for as each begins. */
const KINDS: Readonly<Record<string, { readonly what: string; readonly event?: string }>> = {
  plain: { what: "system call" },
  work: { what: "with exit work", event: "tif:NOTIFY_RESUME" },
  watched: { what: "audited", event: "work:SYSCALL_AUDIT" },
  sigreturn: { what: "rt_sigreturn" },
  int80: { what: "int 0x80" },
  fault: { what: "page fault" },
  irq: { what: "interrupt", event: "irq" },
  nmi: { what: "NMI", event: "nmi" },
  stack16: { what: "to a 16-bit stack" },
};
const COMPARED: readonly Readonly<Record<string, string>>[] = [
  { exitPaths: "separate" },
  { exitPaths: "shared" },
  { exitPaths: "tif-iret" },
  { exitPaths: "notify-resume" },
  { exitPaths: "async-separate" },
  { exitPaths: "conditional-swapgs" },
  { sysret: "fast-path-only" },
  { sysret: "fast-path-only", audit: "fast-path" },
  { exitLoop: "assembly" },
  { exitLoop: "sysret-careful", sysret: "fast-path-only" },
  { compat: "irqs-on" },
  { compat: "assembly" },
  { espfix: "prototype" },
  { espfix: "none" },
  { pti: "on" },
];

export const costTable = (compared = COMPARED): DesignCosts[] => compared.map(measure);

function boot(designs: Readonly<Record<string, string>>): System {
  const image = link([assemble({ uri: "costs-program.S", text: program }, { dialect: "gas", bits: 64 })]);
  return createSystem({
    arch: "x86_64",
    cpu: { vendor: "intel", model: "current", quirks: [] },
    cpus: 1,
    preset: "linux-6.1",
    designs,
    program: { kind: "image", name: "costs", image },
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    seed: 1,
    ramSize: 64 << 20,
    files: {},
    inject: [],
  });
}

/** Steps through the program, and counts from each label to the return to user mode. */
function measure(designs: Readonly<Record<string, string>>): DesignCosts {
  const system = boot(designs);
  const { kernel, machine } = system;
  const cpu = machine.cpus[0]!;
  const { image } = kernel.options.program as { image: { symbols: ReadonlyMap<string, bigint> } };
  const labels = new Map(Object.keys(KINDS).map((kind) => [image.symbols.get(kind)!, kind]));
  const isAssembly = assemblyAddresses(system);
  const kinds: Record<string, Cost> = {};
  let left = "";
  machine.events.listen((event) => {
    if (event.type === "exit" && event.toCpl === 3) left = String(event.instruction);
  });
  const inUser = () => cpu.get32(OFF.CPL) === 3;
  const step = () => {
    const stop = machine.run(1);
    if (stop.kind !== "budget" && stop.kind !== "exit") throw new Error(`the measuring program stopped: ${stop.kind}`);
  };
  while (kernel.state.exit === undefined) {
    const kind = inUser() ? labels.get(cpu.rip) : undefined;
    if (kind === undefined || kind in kinds) {
      step();
      continue;
    }
    prepare(system, kind);
    let [assembly, upcalls, swapgs] = [0, 0, 0];
    do {
      if (!inUser()) {
        const address = BigInt.asUintN(64, cpu.rip);
        if (isAssembly(address)) assembly++;
        else upcalls++;
        if (isSwapgs(system, address)) swapgs++;
      }
      step();
    } while (!inUser() && kernel.state.exit === undefined);
    settle(system, kind);
    kinds[kind] = { assembly, upcalls, swapgs, exit: left };
  }
  return { designs, codeBytes: codeBytes(system), kinds };
}

/** The flag or event that this way in is about. Events from outside strike before the instruction at the label. */
function prepare({ kernel, machine }: System, kind: string): void {
  const cpu = machine.cpus[0]!;
  const { event } = KINDS[kind]!;
  if (event !== undefined) inject(kernel, cpu, event);
}
/** Nobody else is to be watched. */
function settle({ kernel, machine }: System, kind: string): void {
  if (kind === "watched") kernel.setThreadInfo(kernel.current(machine.cpus[0]!), "syscall_work", 0);
}

/** Rows of the line table that are code of entry/*.S, with the bytes up to the next row. */
function codeRows({ kernel }: System): { start: bigint; end: bigint; own: boolean }[] {
  const rows = kernel.image.lines.filter(({ bits }) => bits !== undefined);
  const sorted = [...rows].sort((a, b) => (a.address < b.address ? -1 : 1));
  const text = kernel.image.segments.filter(({ flags }) => flags.exec);
  const endOf = (address: bigint) => {
    const segment = text.find((s) => address >= s.address && address < s.address + BigInt(s.memorySize));
    return segment === undefined ? address : segment.address + BigInt(segment.memorySize);
  };
  return sorted.map(({ address, uri }, i) => {
    const next = sorted[i + 1]?.address ?? endOf(address);
    return { start: address, end: next < endOf(address) ? next : endOf(address), own: uri.includes("/entry/") };
  });
}

function assemblyAddresses(system: System): (address: bigint) => boolean {
  const rows = codeRows(system).filter(({ own }) => own);
  return (address) => rows.some(({ start, end }) => address >= start && address < end);
}

const codeBytes = (system: System): number =>
  codeRows(system).reduce((sum, { start, end, own }) => sum + (own ? Number(end - start) : 0), 0);

const SWAPGS = [0x0f, 0x01, 0xf8];
function isSwapgs({ kernel }: System, address: bigint): boolean {
  const bytes = kernel.memory.read(Number(BigInt.asIntN(64, address)), SWAPGS.length);
  return SWAPGS.every((byte, i) => bytes[i] === byte);
}

const nameOf = (designs: Readonly<Record<string, string>>): string =>
  Object.entries(designs)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");

const cellOf = ({ assembly, upcalls, swapgs, exit }: Cost): string =>
  `${assembly} + ${upcalls} /${swapgs} ${exit === "iret" ? "I" : "S"}`;

/** The table as text: a row a design, a column a way in and out. */
export function costLines(table: readonly DesignCosts[]): string[] {
  const base = table[0]!.codeBytes;
  const change = (bytes: number) => `${bytes} (${bytes < base ? "" : "+"}${bytes - base})`;
  const ways = Object.entries(KINDS);
  const rows = [
    ["", ...ways.map(([, { what }]) => what), "bytes of code"],
    ...table.map(({ designs, kinds, codeBytes: bytes }) => [
      nameOf(designs),
      ...ways.map(([kind]) => cellOf(kinds[kind]!)),
      change(bytes),
    ]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return [
    "Instructions of assembly + of up-calls and the calls between them, /n = SWAPGS among them; S leaves by SYSRET, I by IRET.",
    ...rows.map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
    ),
  ];
}
