/** What up-calls write into the pt_regs that they get, where the way back to user mode depends on it. */
import { GPR } from "../../../emu/cpu/layout.ts";
import { type Addr, addrToBig } from "../../../emu/cpu/state.ts";
import type { Target } from "../target.ts";
import type { Place } from "./place.ts";

/** By the address of the up-call's stub. `regs` is where pt_regs is. */
export type UpcallEffects = ReadonlyMap<Addr, (place: Place, regs: bigint) => void>;

export const NO_EFFECTS: UpcallEffects = new Map();

/** SYSENTER loses ip and sp: entry code puts zeroes there, and C code what the vDSO's code goes on with. */
export function upcallEffects({ kernel, symbols }: Target, { cpu }: Place): UpcallEffects {
  const { ip, sp, bp } = kernel?.layout.ptRegs ?? {};
  if (ip === undefined || sp === undefined || bp === undefined) return NO_EFFECTS;
  const names = symbols(cpu);
  const pad = names.address("int80_landing_pad");
  const effects = new Map<Addr, (place: Place, regs: bigint) => void>();
  const add = (name: string, effect: (place: Place, regs: bigint) => void) => {
    const address = names.address(name);
    if (address !== undefined) effects.set(address, effect);
  };
  add("sysenter_regs", (place, regs) => {
    const value = place.load(regs + BigInt(bp.offset), bp.size);
    place.store(regs + BigInt(sp.offset), sp.size, value);
  });
  add("get_user_argument_6", (place, regs) =>
    place.store(regs + BigInt(ip.offset), ip.size, pad === undefined ? undefined : addrToBig(pad)),
  );
  return effects;
}

/** It changes no register but that of its result. One that gives a pt_regs gives the one it got, or a copy of it elsewhere, which is as good. */
export function throughUpcall(place: Place): void {
  const argument = place.regs[place.mode.code.bits === 64 ? GPR.RDI : GPR.RAX];
  const effect = place.effects.get(place.address);
  if (argument !== undefined) effect?.(place, argument);
  place.regs[GPR.RAX] = argument;
}
