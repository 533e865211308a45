/** The line number program of DWARF 5: a sequence of rows for each range of code. */
import type { DebugRange, DebugSection, DebugStrings, DebugUnit } from "./dwarf.ts";
import { DebugBuilder, pathOf } from "./dwarf.ts";
import { FORM, LNCT, LNS } from "./dwarf-numbers.ts";

const LINE_BASE = -5;
const LINE_RANGE = 14;
const OPCODE_BASE = 13;
const OPERANDS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
const MARKS = {
  basic_block: LNS.SET_BASIC_BLOCK,
  prologue_end: LNS.SET_PROLOGUE_END,
  epilogue_begin: LNS.SET_EPILOGUE_BEGIN,
} as const;

/** Folders and files, each once; the source's own come first. */
class FileTable {
  readonly folders: string[] = [];
  readonly files: { name: string; folder: number }[] = [];
  readonly #known = new Map<string, number>();

  constructor(source: string) {
    this.index(source);
  }

  index(file: string): number {
    let index = this.#known.get(file);
    if (index === undefined) {
      const { folder, name } = pathOf(file);
      let at = this.folders.indexOf(folder);
      if (at < 0) at = this.folders.push(folder) - 1;
      index = this.files.push({ name, folder: at }) - 1;
      this.#known.set(file, index);
    }
    return index;
  }
}

export function lineProgram(unit: DebugUnit, strings: DebugStrings, wide: boolean): DebugSection {
  const out = new DebugBuilder(".debug_line", wide);
  const table = new FileTable(unit.file);
  for (const range of unit.ranges) for (const row of range.rows) table.index(row.file);
  out.sized(() => {
    out.number(2, 5).bytes(wide ? 8 : 4, 0);
    out.sized(() => header(out, table, strings));
    for (const range of unit.ranges) if (range.rows.length > 0) sequence(out, range, table);
  });
  return out.finish();
}

function header(out: DebugBuilder, table: FileTable, strings: DebugStrings): void {
  out.bytes(1, 1, 1, LINE_BASE & 0xff, LINE_RANGE, OPCODE_BASE, ...OPERANDS);
  out.bytes(1, LNCT.PATH, FORM.LINE_STRP).unsigned(table.folders.length);
  for (const folder of table.folders) out.place(".debug_line_str", strings.add(folder));
  out.bytes(2, LNCT.PATH, FORM.LINE_STRP, LNCT.DIRECTORY, FORM.UDATA).unsigned(table.files.length);
  for (const { name, folder } of table.files) out.place(".debug_line_str", strings.add(name)).unsigned(folder);
}

function sequence(out: DebugBuilder, range: DebugRange, table: FileTable): void {
  let [offset, file, line, column, statement] = [0, 1, 1, 0, true];
  out.bytes(0, 1 + (out.wide ? 8 : 4), 2).address(range.start);
  for (const row of range.rows) {
    const index = table.index(row.file);
    if (index !== file) out.byte(LNS.SET_FILE).unsigned((file = index));
    if (row.column !== column) out.byte(LNS.SET_COLUMN).unsigned((column = row.column));
    if (row.statement !== statement) out.byte(LNS.NEGATE_STMT);
    if (row.mark) out.byte(MARKS[row.mark]);
    advance(out, row.offset - offset, row.line - line);
    ({ offset, line, statement } = row);
  }
  if (range.size > offset) out.byte(LNS.ADVANCE_PC).unsigned(range.size - offset);
  out.bytes(0, 1, 1);
}

/** One row: by a special opcode where the steps are small. */
function advance(out: DebugBuilder, bytes: number, lines: number): void {
  let step = lines;
  if (step < LINE_BASE || step >= LINE_BASE + LINE_RANGE) {
    out.byte(LNS.ADVANCE_LINE).signed(step);
    step = 0;
  }
  const opcode = step - LINE_BASE + LINE_RANGE * bytes + OPCODE_BASE;
  if (opcode <= 255) out.byte(opcode);
  else
    out
      .byte(LNS.ADVANCE_PC)
      .unsigned(bytes)
      .byte(step - LINE_BASE + OPCODE_BASE);
}
