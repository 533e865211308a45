/** Call frame information: checked for form; nothing is made of it yet. */
import { SourceError } from "../core/diagnostics.ts";
import { wholeLine } from "../core/source.ts";
import type { Directive } from "./directives.ts";

/** How many arguments each takes; Infinity: a list. */
const ARGUMENTS: Readonly<Record<string, readonly [number, number]>> = {
  sections: [1, 2],
  startproc: [0, 1],
  endproc: [0, 0],
  personality: [1, 2],
  lsda: [1, 2],
  def_cfa: [2, 2],
  def_cfa_register: [1, 1],
  def_cfa_offset: [1, 1],
  adjust_cfa_offset: [1, 1],
  offset: [2, 2],
  val_offset: [2, 2],
  rel_offset: [2, 2],
  register: [2, 2],
  restore: [1, Number.POSITIVE_INFINITY],
  undefined: [1, Number.POSITIVE_INFINITY],
  same_value: [1, Number.POSITIVE_INFINITY],
  remember_state: [0, 0],
  restore_state: [0, 0],
  return_column: [1, 1],
  signal_frame: [0, 0],
  window_save: [0, 0],
  escape: [1, Number.POSITIVE_INFINITY],
  val_encoded_addr: [3, 3],
};

function check(least: number, most: number): Directive {
  return (assembler, cursor, name) => {
    const text = cursor.rest();
    const count = text === "" ? 0 : text.split(",").length;
    if (count < least || count > most)
      throw new SourceError(
        wholeLine(cursor.line),
        `'${name}' takes ${least === most ? least : `at least ${least}`} arguments, not ${count}`,
      );
    const needsProcedure = !/^\.cfi_(startproc|sections)$/.test(name);
    if (needsProcedure && !assembler.inProcedure)
      throw new SourceError(wholeLine(cursor.line), `'${name}' without '.cfi_startproc'`);
    if (name === ".cfi_startproc") assembler.inProcedure = true;
    if (name === ".cfi_endproc") assembler.inProcedure = false;
  };
}

export const CFI: Readonly<Record<string, Directive>> = Object.fromEntries(
  Object.entries(ARGUMENTS).map(([name, [least, most]]) => [`.cfi_${name}`, check(least, most)]),
);
