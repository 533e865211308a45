/** The Kernel State view: mode, thread_info, the last way in and out of the kernel, pt_regs. */
import type {
  EntryRecord,
  ExitRecord,
  FlagBit,
  KernelState,
  LastChange,
  StatusField,
} from "../../src/adapter/debug/views.ts";
import { changeText, count, fact, folded, type Row, rows, section } from "./parts.ts";
import { type ElementNode, h } from "./tree.ts";

const isSet = (value: string) => !/^0x0*$/.test(value);

/** Also a bit that is as it was, but has been set and cleared between the two stops: kernel functions run to completion. */
function movement(
  isOn: boolean,
  wasOn: boolean,
  now: LastChange | undefined,
  before: LastChange | undefined,
): string | undefined {
  if (isOn !== wasOn) return isOn ? "set since the last stop" : "cleared since the last stop";
  if (now === undefined || now.icount === before?.icount) return undefined;
  return isOn ? "cleared and set again since the last stop" : "set and cleared again since the last stop";
}

interface Bit {
  readonly name: string;
  readonly meaning: string;
  readonly lastChanged?: LastChange;
}

function bitRow(
  bit: Bit,
  value: string,
  lit: boolean,
  wasLit: boolean | undefined,
  before: LastChange | undefined,
): Row {
  const moved = wasLit === undefined ? undefined : movement(lit, wasLit, bit.lastChanged, before);
  return {
    name: bit.name,
    value,
    lit,
    place: bit.name,
    changed: moved !== undefined,
    help: [bit.meaning, moved && `It was ${moved}.`, changeText(bit.lastChanged)].filter(Boolean).join(" "),
    ...(bit.lastChanged && {
      detail: `${moved !== undefined && lit === wasLit ? "⇅ " : ""}@${count(bit.lastChanged.icount)}`,
    }),
  };
}

const statusRow = (field: StatusField, before: StatusField | undefined): Row =>
  bitRow(field, field.value, isSet(field.value), before && isSet(before.value), before?.lastChanged);

const flagRow = (flag: FlagBit, before: FlagBit | undefined): Row =>
  bitRow(flag, `bit ${flag.bit}`, flag.set, before?.set, before?.lastChanged);

function flagSection(
  id: string,
  title: string,
  field: string,
  now: readonly FlagBit[],
  before: readonly FlagBit[] | undefined,
): ElementNode {
  const word = now.reduce((sum, flag) => (flag.set ? sum + 2 ** flag.bit : sum), 0);
  const quiet = now.filter((flag) => !flag.set && flag.lastChanged === undefined);
  const toRow = (flag: FlagBit) =>
    flagRow(
      flag,
      before?.find((other) => other.name === flag.name),
    );
  return section(
    id,
    title,
    `${field} 0x${word.toString(16)}`,
    rows(now.filter((flag) => !quiet.includes(flag)).map(toRow), "flags"),
    quiet.length === 0
      ? undefined
      : folded(`${id}-quiet`, `${quiet.length} never set`, rows(quiet.map(toRow), "flags")),
  );
}

function entrySection(entry: EntryRecord | undefined): ElementNode {
  if (entry === undefined) return section("entry", "Last entry", "none yet");
  return section(
    "entry",
    "Last entry",
    `@${count(entry.icount)}`,
    h("p", { class: "headline" }, entry.kind, entry.vector !== undefined && ` · vector 0x${entry.vector.toString(16)}`),
    entry.syscall === undefined ? undefined : fact("call", entry.syscall),
    entry.from === undefined ? undefined : fact("from", entry.from),
    entry.fromCpl === undefined ? undefined : fact("ring", `CPL ${entry.fromCpl} → 0, CPU ${entry.cpu}`),
  );
}

function exitSection(exit: ExitRecord | undefined): ElementNode {
  if (exit === undefined) return section("exit", "Last exit", "none yet");
  return section(
    "exit",
    "Last exit",
    exit.icount === undefined ? "" : `@${count(exit.icount)}`,
    h("p", { class: "headline" }, exit.instruction),
    h("p", { class: "why" }, exit.why),
    exit.firstFailing === undefined ? undefined : fact("failed first", exit.firstFailing, "failing"),
    h(
      "ol",
      { class: "path", "aria-label": "Path through the entry code" },
      exit.path.map((label) => h("li", {}, label)),
    ),
  );
}

function modeLine(state: KernelState): ElementNode {
  const { cpl, bits, v86 } = state.mode;
  const ring = v86 ? "v8086" : cpl === 0 ? "kernel" : "user";
  return h(
    "header",
    {},
    h("span", { class: `chip ring-${ring}` }, ring),
    h("span", { class: "chip" }, `CPL ${cpl}`),
    h("span", { class: "chip" }, `${bits}-bit`),
    h("span", { class: "who" }, `${state.task.name} · pid ${state.task.pid} · ${state.preset} ${state.arch}`),
  );
}

/** `before` is the state at the previous stop: what differs from it is marked. */
export function kernelStateView(state: KernelState, before: KernelState | undefined): ElementNode {
  const status = state.status.map((field) =>
    statusRow(
      field,
      before?.status.find((other) => other.name === field.name),
    ),
  );
  const registers = state.ptRegs.map(({ name, value }): Row => {
    const old = before?.ptRegs.find((other) => other.name === name);
    const changed = old !== undefined && old.value !== value;
    return {
      name,
      value,
      changed,
      place: `pt_regs.${name}`,
      help: `pt_regs.${name} = ${value}${changed ? `, was ${old.value}` : ""}`,
    };
  });
  return h(
    "div",
    { class: "view" },
    modeLine(state),
    section("status", "Thread status", "status", rows(status, "flags")),
    flagSection("flags", "Thread flags", "flags", state.flags, before?.flags),
    state.syscallWork.length > 0 &&
      flagSection("work", "System-call work", "syscall_work", state.syscallWork, before?.syscallWork),
    entrySection(state.lastEntry),
    exitSection(state.lastExit),
    section("ptregs", "pt_regs", "on the kernel stack", rows(registers, "registers")),
  );
}
