/** Compilation units of .debug_info, as far as a line table needs them: where each was compiled (DWARF 5, sections 3.1 and 7.5). */
import { FORM } from "../../../asmlang/image/dwarf-numbers.ts";
import { DwarfReader, type Strings, type UnitSizes, type Value } from "./reader.ts";

const AT = { STMT_LIST: 0x10, COMP_DIR: 0x1b };
const FIRST_WITH_TYPE = 5;
/** DW_UT_skeleton and DW_UT_split_compile have an id, DW_UT_type and its kin more. */
const UT = { TYPE: 2, SKELETON: 4, SPLIT_TYPE: 6 };

/** Working directories by the offset of the unit's line table. */
export function compilationDirectories(info: Uint8Array, abbrev: Uint8Array, strings: Strings): Map<number, string> {
  const directories = new Map<number, string>();
  const reader = new DwarfReader(info);
  while (!reader.done) {
    const { end, offset } = reader.unitLength();
    const version = reader.unsigned(2);
    const { table, address } = header(reader, version, offset);
    const attributes = firstEntry(reader, new DwarfReader(abbrev, table), { address, offset }, strings);
    const [lines, directory] = [attributes.get(AT.STMT_LIST), attributes.get(AT.COMP_DIR)];
    if (typeof lines === "number" && typeof directory === "string") directories.set(lines, directory);
    reader.at = end;
  }
  return directories;
}

function header(reader: DwarfReader, version: number, offset: 4 | 8): { table: number; address: number } {
  if (version < FIRST_WITH_TYPE) return { table: reader.unsigned(offset), address: reader.byte() };
  const type = reader.byte();
  const address = reader.byte();
  const table = reader.unsigned(offset);
  if (type === UT.SKELETON || type === UT.SKELETON + 1) reader.at += 8;
  if (type === UT.TYPE || type === UT.SPLIT_TYPE) reader.at += 8 + offset;
  return { table, address };
}

/** Attributes of a unit's first entry by name. */
function firstEntry(
  reader: DwarfReader,
  abbreviations: DwarfReader,
  sizes: UnitSizes,
  strings: Strings,
): Map<number, Value> {
  const found = new Map<number, Value>();
  const code = reader.uleb();
  for (const { name, form } of declared(abbreviations, code)) {
    const actual = form === FORM_INDIRECT ? reader.uleb() : form;
    found.set(name, reader.value(actual, sizes, strings));
  }
  return found;
}
const FORM_INDIRECT = 0x16;

/** The attributes that a table of abbreviations gives to a code. */
function declared(table: DwarfReader, wanted: number): { name: number; form: number }[] {
  for (let code = table.uleb(); code !== 0; code = table.uleb()) {
    table.uleb(); // tag
    table.byte(); // children
    const attributes: { name: number; form: number }[] = [];
    for (;;) {
      const [name, form] = [table.uleb(), table.uleb()];
      if (form === FORM.IMPLICIT_CONST) table.sleb();
      if (name === 0 && form === 0) break;
      attributes.push({ name, form });
    }
    if (code === wanted) return attributes;
  }
  return [];
}
