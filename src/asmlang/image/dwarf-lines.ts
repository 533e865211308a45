/** The line number program of DWARF 5: a sequence of rows for each range of code. */
import type { DebugRange, DebugSection, DebugStrings, DebugUnit } from "./dwarf.ts";
import { DebugBuilder, pathOf } from "./dwarf.ts";

const LINE_BASE = -5;
const LINE_RANGE = 14;
const OPCODE_BASE = 13;
const OPERANDS = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
const DW_LNS = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  setColumn: 5,
  negateStatement: 6,
  basicBlock: 7,
  prologueEnd: 10,
  epilogueBegin: 11,
} as const;
const MARKS = {
  basic_block: DW_LNS.basicBlock,
  prologue_end: DW_LNS.prologueEnd,
  epilogue_begin: DW_LNS.epilogueBegin,
} as const;
const PATH = 1;
const FOLDER = 2;
const LINE_STRING = 0x1f;
const UNSIGNED = 0x0f;

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
  out.bytes(1, PATH, LINE_STRING).unsigned(table.folders.length);
  for (const folder of table.folders) out.place(".debug_line_str", strings.add(folder));
  out.bytes(2, PATH, LINE_STRING, FOLDER, UNSIGNED).unsigned(table.files.length);
  for (const { name, folder } of table.files) out.place(".debug_line_str", strings.add(name)).unsigned(folder);
}

function sequence(out: DebugBuilder, range: DebugRange, table: FileTable): void {
  let [offset, file, line, column, statement] = [0, 1, 1, 0, true];
  out.bytes(0, 1 + (out.wide ? 8 : 4), 2).address(range.start);
  for (const row of range.rows) {
    const index = table.index(row.file);
    if (index !== file) out.byte(DW_LNS.setFile).unsigned((file = index));
    if (row.column !== column) out.byte(DW_LNS.setColumn).unsigned((column = row.column));
    if (row.statement !== statement) out.byte(DW_LNS.negateStatement);
    if (row.mark) out.byte(MARKS[row.mark]);
    advance(out, row.offset - offset, row.line - line);
    ({ offset, line, statement } = row);
  }
  if (range.size > offset) out.byte(DW_LNS.advancePc).unsigned(range.size - offset);
  out.bytes(0, 1, 1);
}

/** One row: by a special opcode where the steps are small. */
function advance(out: DebugBuilder, bytes: number, lines: number): void {
  let step = lines;
  if (step < LINE_BASE || step >= LINE_BASE + LINE_RANGE) {
    out.byte(DW_LNS.advanceLine).signed(step);
    step = 0;
  }
  const opcode = step - LINE_BASE + LINE_RANGE * bytes + OPCODE_BASE;
  if (opcode <= 255) out.byte(opcode);
  else
    out
      .byte(DW_LNS.advancePc)
      .unsigned(bytes)
      .byte(step - LINE_BASE + OPCODE_BASE);
}
