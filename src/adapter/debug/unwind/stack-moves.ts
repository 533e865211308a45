/** What instructions without IR do to the stack, its segment and what is saved there, as far as a path that is followed needs it. */
import { Mnemonic } from "../../../emu/cpu/iced.ts";
import { foreseeAddress, type Known } from "../../../emu/cpu/ir/foresee.ts";
import { ARITH_FLAGS, EFLAGS, GPR, SEG, type SegIndex } from "../../../emu/cpu/layout.ts";
import type { Insn } from "../../../emu/cpu/operation.ts";
import { addrToBig } from "../../../emu/cpu/state.ts";
import type { Place } from "./place.ts";
import { gdt } from "./segments.ts";

type Move = (place: Place, insn: Insn) => void;

const pushFlags: Move = (place, { opSize }) => {
  const { flags, flagsKnown, mode } = place;
  const isKnown = flagsKnown === -1 && !mode.v86;
  push(place, opSize / 8, isKnown ? BigInt((flags & ~(EFLAGS.VM | EFLAGS.RF)) >>> 0) : undefined);
};

/** Flags that POPF replaces whatever the privilege; the rest is not known then. */
const POPPED = ARITH_FLAGS | EFLAGS.TF | EFLAGS.DF | EFLAGS.NT;

const popFlags: Move = (place, { opSize }) => {
  const value = place.stackWord(0, opSize / 8);
  place.release(opSize / 8);
  place.flagsKnown = value === undefined ? 0 : POPPED;
  place.flags = value === undefined ? 0 : Number(BigInt.asIntN(32, value));
};

const GENERAL = [GPR.RAX, GPR.RCX, GPR.RDX, GPR.RBX, GPR.RSP, GPR.RBP, GPR.RSI, GPR.RDI] as const;

const pushAll: Move = (place, { opSize }) => {
  const values = GENERAL.map((reg) => place.regs[reg]);
  for (const value of values) push(place, opSize / 8, value);
};

const popAll: Move = (place, { opSize }) => {
  for (const reg of GENERAL.toReversed()) {
    const value = place.stackWord(0, opSize / 8);
    place.release(opSize / 8);
    if (reg !== GPR.RSP) place.setRegister(reg, opSize, value);
  }
};

const setFlag =
  (flag: number, isSet: boolean): Move =>
  (place) => {
    place.flags = isSet ? place.flags | flag : place.flags & ~flag;
    place.flagsKnown |= flag;
  };

const loadFarPointer =
  (seg: SegIndex): Move =>
  (place, insn) => {
    const [to] = insn.ops;
    const word = insn.opSize / 8;
    const at = foreseeAddress(insn, place.modeKey, place);
    const offset = at === undefined ? undefined : place.load(at, word);
    const selector = at === undefined ? undefined : place.load(at + BigInt(word), 2);
    if (to?.kind === "reg") place.setRegister(to.reg, to.size, offset);
    place.loadSegment(seg, selector);
  };

const storeGdtr: Move = (place, insn) => {
  const at = foreseeAddress(insn, place.modeKey, place);
  if (at === undefined) return;
  const { base, limit } = gdt(place.cpu);
  const bytes = insn.bits === 64 ? 8 : 4;
  place.store(at, 2, BigInt(limit));
  place.store(at + 2n, bytes, BigInt.asUintN(8 * bytes, addrToBig(base)));
};

/** ENTER: the frame pointer saved, as many words of outer frames as its level says, and room. */
const enter: Move = (place, { ops: [size, level], opSize }) => {
  const { regs } = place;
  if (size?.kind !== "imm" || level?.kind !== "imm") return;
  const word = opSize / 8;
  push(place, word, regs[GPR.RBP]);
  regs[GPR.RBP] = regs[GPR.RSP];
  place.release(-(level.low & 31) * word - (size.low & 0xffff));
};

const MOVES: ReadonlyMap<number, Move> = new Map([
  [Mnemonic.Pushf, pushFlags],
  [Mnemonic.Pushfd, pushFlags],
  [Mnemonic.Pushfq, pushFlags],
  [Mnemonic.Popf, popFlags],
  [Mnemonic.Popfd, popFlags],
  [Mnemonic.Popfq, popFlags],
  [Mnemonic.Pusha, pushAll],
  [Mnemonic.Pushad, pushAll],
  [Mnemonic.Popa, popAll],
  [Mnemonic.Popad, popAll],
  [Mnemonic.Enter, enter],
  [Mnemonic.Cli, setFlag(EFLAGS.IF, false)],
  [Mnemonic.Sti, setFlag(EFLAGS.IF, true)],
  [Mnemonic.Clac, setFlag(EFLAGS.AC, false)],
  [Mnemonic.Stac, setFlag(EFLAGS.AC, true)],
  [Mnemonic.Les, loadFarPointer(SEG.ES)],
  [Mnemonic.Lds, loadFarPointer(SEG.DS)],
  [Mnemonic.Lss, loadFarPointer(SEG.SS)],
  [Mnemonic.Lfs, loadFarPointer(SEG.FS)],
  [Mnemonic.Lgs, loadFarPointer(SEG.GS)],
  [Mnemonic.Sgdt, storeGdtr],
]);

/** Over one such instruction. False: it is none of them. */
export function moveStack(place: Place, insn: Insn): boolean {
  const [to, from] = insn.ops;
  const move = MOVES.get(insn.mnemonic);
  if (move !== undefined) move(place, insn);
  else if (to?.kind === "seg") loadSegment(place, insn, to.seg);
  else if (from?.kind === "seg") storeSegment(place, insn, from.seg);
  else return false;
  return true;
}

/** PUSH, POP, MOV of a segment register, which only PUSH does not write. */
function loadSegment(place: Place, insn: Insn, seg: SegIndex): void {
  const { mnemonic, opSize } = insn;
  if (mnemonic === Mnemonic.Push) {
    push(place, opSize / 8, place.selector(seg));
    return;
  }
  const isPop = mnemonic === Mnemonic.Pop;
  const selector = isPop ? place.stackWord(0, 2) : selectorFrom(place, insn);
  if (isPop) place.release(opSize / 8);
  place.loadSegment(seg, selector);
}

function selectorFrom(place: Place, insn: Insn): Known {
  const from = insn.ops[1];
  if (from?.kind === "reg") return place.regs[from.reg];
  const at = foreseeAddress(insn, place.modeKey, place);
  return at === undefined ? undefined : place.load(at, 2);
}

/** MOV from a segment register. */
function storeSegment(place: Place, insn: Insn, seg: SegIndex): void {
  const [to] = insn.ops;
  const selector = place.selector(seg);
  if (to?.kind === "reg") place.setRegister(to.reg, to.size, selector);
  else place.store(foreseeAddress(insn, place.modeKey, place), 2, selector);
}

function push(place: Place, bytes: number, value: Known): void {
  place.release(-bytes);
  const { sp } = place;
  if (sp !== undefined) place.store(addrToBig(sp), bytes, value);
}
