/** What stands in braces at an operand: masks, zeroing, broadcasts, and rounding, which may be an item of the list itself. */
import { Register } from "../../emu/cpu/iced.ts";
import type { PlacedOperand } from "../core/instruction.ts";
import { REGISTERS } from "../core/registers.ts";
import type { AsmOperand, Mask, Rounding } from "../encode/types.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Cursor } from "./cursor.ts";

/** At most one in a statement. */
export interface RoundingSeen {
  rounding: Rounding | undefined;
}

const ROUNDING = /\{\s*(?:r[nduz]-sae|sae)\s*\}/iy;

/** `{rn-sae}` as an item of the list, `after` operands. */
export function readRounding(cursor: Cursor, after: number, seen: RoundingSeen): boolean {
  if (cursor.skipSpace().peek() !== "{") return false;
  const { at } = cursor;
  const text = cursor.match(ROUNDING);
  if (text === undefined) return false;
  if (seen.rounding) {
    cursor.at = at;
    throw cursor.error("rounding or SAE is given twice");
  }
  seen.rounding = { mode: text.slice(1, -1).trim().toLowerCase() as Rounding["mode"], after };
  return true;
}

function masked(operand: AsmOperand, change: Partial<Mask>): AsmOperand | undefined {
  if (operand.kind !== "reg" && operand.kind !== "mem") return undefined;
  const { opmask = 0, zeroing = false } = operand.mask ?? {};
  if (change.opmask ? opmask !== 0 : zeroing) return undefined;
  return { ...operand, mask: { opmask, zeroing, ...change } };
}

function decorated(operand: AsmOperand, text: string): AsmOperand | string {
  const name = text.replace(/^%/, "");
  const twice = `{${text}} is given twice`;
  if (name === "z") return masked(operand, { zeroing: true }) ?? twice;
  const elements = /^1to(2|4|8|16|32)$/.exec(name)?.[1];
  if (elements !== undefined) {
    if (operand.kind !== "mem") return "only a memory operand can be broadcast";
    return typeof operand.broadcast === "number" ? twice : { ...operand, broadcast: Number(elements) };
  }
  const register = REGISTERS.get(name);
  if (register === undefined) return `unknown decoration {${text}}`;
  if (register <= Register.K0 || register > Register.K7) return `%${name} cannot be a write mask`;
  return masked(operand, { opmask: register }) ?? twice;
}

/** The operand with what follows it in braces. */
export function decorate(
  cursor: Cursor,
  assembler: GasAssembler,
  { operand, span }: PlacedOperand,
  index: number,
  seen: RoundingSeen,
): PlacedOperand {
  let result = operand;
  while (cursor.skipSpace().peek() === "{") {
    if (assembler.intel && readRounding(cursor, index + 1, seen)) continue;
    const start = cursor.at;
    const text = cursor.match(/\{\s*%?\w+\s*\}/y);
    const next =
      text === undefined
        ? "expected a mask, {z} or a broadcast"
        : decorated(result, text.slice(1, -1).trim().toLowerCase());
    if (typeof next === "string") {
      cursor.at = start;
      throw cursor.error(next);
    }
    result = next;
  }
  const mask = result.kind === "reg" || result.kind === "mem" ? result.mask : undefined;
  if (mask?.zeroing && mask.opmask === 0) throw cursor.error("zeroing needs a write mask");
  return { operand: result, span: { ...span, end: cursor.at } };
}
