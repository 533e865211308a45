/**
 * Who called the code of a frame? User code's call frame information says it, if what it names is behind a call; else the code itself, followed
 * to its return (follow.ts); else a call site on the stack (by-site.ts), a guess where the code does not confirm it. In the kernel, pt_regs
 * says where user mode was.
 */
import type { Addr } from "../../../emu/cpu/state.ts";
import type { Mapping, Target } from "../target.ts";
import { callerBySite, hasCalled } from "./by-site.ts";
import { isBehindCall } from "./calls.ts";
import { callerByCfi } from "./cfi.ts";
import type { Return } from "./far-returns.ts";
import { follow, isRestorer } from "./follow.ts";
import type { Place } from "./place.ts";
import { behindEntry, outsideVm86, userPlace } from "./pt-regs-place.ts";
import { interruptedTask } from "./task-switch.ts";

/** How a frame was found: by its code or pt_regs, by the program's CFI, or only guessed: by a call site on the stack, or behind such a frame. */
export type Found = "code" | "CFI" | "call site";
/** How the frame above came to be: by a near or far call, an entry into the kernel, a signal, vm86(2); "running" for the first. */
export type Link = "running" | "vm86" | Return["kind"];

export interface Caller {
  readonly kind: Link;
  readonly to: Place;
  readonly found: Found;
}

/** What is asked about: a frame, as far as this needs it. */
interface Called {
  readonly place: Place;
  readonly by: Link;
  readonly found: Found;
}

/** undefined: none is known. */
export function callerOf(target: Target, called: Called): Caller | undefined {
  const from = called.by === "interrupt" ? behindEntry(target, called.place) : called.place;
  const atCall = called.by === "return" || called.by === "far";
  // what is behind a guess is one
  const sure = <T extends Found>(found: T) => (called.found === "call site" ? "call site" : found);
  const described = byCfi(target, from, atCall);
  if (described === "outermost") return undefined;
  if (
    described !== undefined &&
    (described.kind === "signal" || isBehindCall(described.to) || isRestorer(described.to))
  )
    return { ...described, found: sure("CFI") };
  const followed = isLeavingStack(target, from) ? undefined : follow(from);
  const entry = entryOf(target, from, atCall);
  if (followed !== undefined && !(mayHaveRunOn(from, followed) && !hasCalled(followed.to, from, entry)))
    return { ...followed, found: followed.kind === "interrupt" ? "code" : sure("code") };
  const site = outside(target, from) ?? switched(from) ?? bySite(target, from, entry);
  if (site !== undefined && site.found !== "call site")
    return { ...site, found: site.kind === "return" ? sure(site.found) : site.found };
  const other = followed ?? described;
  return other === undefined ? site : { ...other, found: "call site" };
}

/** Without frame information nobody knows of a call of user code that it does not return. */
const mayHaveRunOn = ({ mode }: Place, { kind }: Return): boolean => kind === "return" && mode.cpl === 3 && !mode.v86;

/** Of user code, what the ELF file it is of (or our assembler's image) says of its frames. */
function byCfi({ kernel, spaces }: Target, from: Place, atCall: boolean): Return | "outermost" | undefined {
  if (kernel === undefined || from.mode.cpl < 3 || from.mode.v86) return undefined;
  const mappings = kernel.mappings(from.cpu);
  const here = mappingAt(mappings, from.address);
  const first = here && mappings.find(({ name }) => name === here.name);
  if (first === undefined) return undefined;
  const { program, ehFrame } = spaces.of(from.cpu);
  const frames = first.name === program ? ehFrame : undefined;
  const special = here?.pages && { start: here.start, pages: here.pages };
  return callerByCfi(from, { elf: first.start, frames, special }, atCall);
}

const mappingAt = (mappings: readonly Mapping[], address: Addr): Mapping | undefined =>
  mappings.find(({ start, end }) => address >= start && address < end);

function outside({ kernel }: Target, from: Place): Caller | undefined {
  const to = outsideVm86(kernel, from);
  return to && { kind: "vm86", to, found: "code" };
}

/** A task that the processor has switched to has a stack of its own: nobody has called it. */
function switched(from: Place): Caller | undefined {
  const to = from.mode.cpl < 3 ? interruptedTask(from) : undefined;
  return to && { kind: "interrupt", to, found: "code" };
}

/** By a call site on the stack; in the kernel, behind the last of them, the user code of pt_regs. */
function bySite(target: Target, from: Place, entry: Addr | undefined): Caller | undefined {
  const { kernel } = target;
  const isHere = kernel !== undefined && from.mode.cpl < 3 && stackOf(target, from) !== "another's";
  const end = isHere ? kernel.stackEnd(from.cpu) : undefined;
  const site = callerBySite(from, { isCode: codeOf(target, from), entry, end });
  if (site !== undefined) return { kind: "return", to: site.to, found: site.confirmed ? "code" : "call site" };
  const user = end !== undefined && end === kernel!.userRegs(from.cpu) ? userPlace(kernel!, from, end) : undefined;
  return user && { kind: "interrupt", to: user, found: "code" };
}

const stackOf = ({ kernel }: Target, { cpu, sp }: Place) => (sp === undefined ? undefined : kernel?.stackAt(cpu, sp));

/** Whether what is ahead is another task's return: this code was called by the task whose stack it still has. */
const isLeavingStack = (target: Target, from: Place): boolean =>
  from.mode.cpl < 3 &&
  target.symbols(from.cpu).nearest(from.address)?.name === "__switch_to_asm" &&
  stackOf(target, from) === "own";

/** Where the function seems to begin. */
const entryOf = ({ symbols }: Target, { cpu, address }: Place, atCall: boolean): Addr | undefined =>
  symbols(cpu).nearest(atCall ? address - 1 : address)?.address;

/** What has a name or can be run. */
function codeOf({ kernel, symbols }: Target, { cpu, mode }: Place): (address: Addr) => boolean {
  const placed = symbols(cpu);
  const runnable = mode.cpl < 3 ? [] : (kernel?.mappings(cpu) ?? []).filter(({ access }) => access[2] === "x");
  return (address) =>
    mappingAt(runnable, address) !== undefined ||
    placed.lineAt(address - 1)?.bits !== undefined ||
    placed.nearest(address) !== undefined;
}
