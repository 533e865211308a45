/** The espfix view's contents: the ministack, the physical page behind it, the alias in use and the page walk to it. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import type { Addr } from "../../emu/cpu/state.ts";
import { hex, hexAddr } from "./format.ts";
import { peekValue, translate } from "./guest-memory.ts";
import { pageWalk } from "./page-walk.ts";
import type { EspfixPlace, KernelAccess } from "./target.ts";
import type { EspfixState, EspfixWord } from "./views.ts";

export function espfixState(kernel: KernelAccess, cpu: Cpu): EspfixState {
  const design = kernel.designs.espfix ?? "none";
  const place = kernel.espfix(cpu);
  if (place === undefined) return { design, available: false, inUse: false, walk: [] };
  const physical = translate(cpu, place.writable);
  return {
    design,
    available: true,
    inUse: place.inUse,
    ministack: {
      linear: hexAddr(place.writable),
      physical: physical === undefined ? "not mapped" : hex(physical),
      words: ministackWords(kernel, cpu, place),
    },
    alias: { linear: hexAddr(place.alias), chosenBecause: place.chosenBecause },
    walk: pageWalk(cpu, place.alias),
  };
}

function ministackWords({ layout }: KernelAccess, cpu: Cpu, { writable, bytes, words }: EspfixPlace): EspfixWord[] {
  const width = layout.wordSize;
  return Array.from({ length: bytes / width }, (_, i) => wordAt(cpu, writable + i * width, width, words[i] ?? ""));
}

function wordAt(cpu: Cpu, address: Addr, width: 4 | 8, label: string): EspfixWord {
  const value = peekValue(cpu, address, width);
  return { address: hexAddr(address), value: value === undefined ? "not mapped" : hex(value, width * 8), label };
}
