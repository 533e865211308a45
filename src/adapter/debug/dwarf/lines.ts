/** Source lines of an ELF file's code from its line tables, .debug_line (DWARF 5, section 6.2), versions 2 to 5. */
import { LNCT, LNE, LNS } from "../../../asmlang/image/dwarf-numbers.ts";
import type { Addr } from "../../../emu/cpu/state.ts";
import { normalize } from "../../../emu/kernel/syscall/paths.ts";
import { contentsOf, type ElfFile, sectionNamed } from "../elf-sections.ts";
import type { LineSpan } from "../symbols.ts";
import { canonicalUri } from "../uris.ts";
import { DwarfReader, type Strings, type UnitSizes } from "./reader.ts";
import { compilationDirectories } from "./units.ts";

const OLDEST = 2;
const NEWEST = 5;
const SHF_COMPRESSED = 0x800;
interface Header {
  readonly end: number;
  readonly minimum: number;
  /** Whether rows are statements at first. */
  readonly statements: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Operands of standard opcodes, by opcode. */
  readonly lengths: readonly number[];
  /** URIs of files, as the program numbers them. */
  readonly files: readonly (string | undefined)[];
}

/** In the order of their sequences; none where there is no table, or it is compressed. */
export function dwarfLines(elf: ElfFile): LineSpan[] {
  const bytesOf = (name: string) => {
    const section = sectionNamed(elf, name);
    return section === undefined || (section.flags & SHF_COMPRESSED) !== 0 ? undefined : contentsOf(elf, section);
  };
  const lines = bytesOf(".debug_line");
  if (lines === undefined) return [];
  const strings = { str: bytesOf(".debug_str"), lineStr: bytesOf(".debug_line_str") };
  const [info, abbrev] = [bytesOf(".debug_info"), bytesOf(".debug_abbrev")];
  const directories =
    info === undefined || abbrev === undefined
      ? new Map<number, string>()
      : compilationDirectories(info, abbrev, strings);
  const spans: LineSpan[] = [];
  const reader = new DwarfReader(lines);
  while (!reader.done) {
    const header = readHeader(reader, directories.get(reader.at) ?? "", strings, elf.bits / 8);
    if (header.files.length > 0) runProgram(reader, header, elf.bits, spans);
    reader.at = header.end;
  }
  return spans;
}

/** A header without files where the version is not known. */
function readHeader(reader: DwarfReader, compiledIn: string, strings: Strings, word: number): Header {
  const { end, offset } = reader.unitLength();
  const version = reader.unsigned(2);
  if (version < OLDEST || version > NEWEST)
    return { end, minimum: 0, statements: true, lineBase: 0, lineRange: 1, opcodeBase: 0, lengths: [], files: [] };
  const address = version >= 5 ? reader.byte() : word;
  if (version >= 5) reader.byte(); // segment selectors
  const headerLength = reader.unsigned(offset);
  const program = reader.at + headerLength;
  const minimum = reader.byte();
  if (version >= 4) reader.byte(); // operations of a VLIW instruction
  const statements = reader.byte() !== 0;
  const lineBase = reader.signedByte();
  const [lineRange, opcodeBase] = [reader.byte(), reader.byte()];
  if (lineRange === 0) throw new RangeError("a line range of 0");
  const lengths = [0, ...Array.from({ length: opcodeBase - 1 }, () => reader.byte())];
  const files = version >= 5 ? files5(reader, { address, offset }, strings) : files2(reader, compiledIn);
  reader.at = program;
  return { end, minimum, statements, lineBase, lineRange, opcodeBase, lengths, files };
}

/** Versions 2 to 4: directory 0 is where the unit was compiled, file 1 the first. */
function files2(reader: DwarfReader, compiledIn: string): (string | undefined)[] {
  const directories = [compiledIn];
  for (let name = reader.text(); name !== ""; name = reader.text()) directories.push(name);
  const files: (string | undefined)[] = [undefined];
  for (let name = reader.text(); name !== ""; name = reader.text()) {
    const directory = directories[reader.uleb()];
    reader.uleb(); // modified
    reader.uleb(); // length
    files.push(uriOf(compiledIn, directory ?? "", name));
  }
  return files;
}

function files5(reader: DwarfReader, sizes: UnitSizes, strings: Strings): (string | undefined)[] {
  const directories = entries(reader, sizes, strings).map(({ path }) => path);
  return entries(reader, sizes, strings).map(({ path, directory }) =>
    uriOf(directories[0] ?? "", directories[directory] ?? "", path),
  );
}

function entries(reader: DwarfReader, sizes: UnitSizes, strings: Strings): { path: string; directory: number }[] {
  const format = Array.from({ length: reader.byte() }, () => ({ content: reader.uleb(), form: reader.uleb() }));
  const count = reader.uleb();
  if (format.length === 0) return [];
  if (count > reader.left) throw new RangeError("more entries than bytes");
  return Array.from({ length: count }, () => {
    const entry = { path: "", directory: 0 };
    for (const { content, form } of format) {
      const value = reader.value(form, sizes, strings);
      if (content === LNCT.PATH && typeof value === "string") entry.path = value;
      if (content === LNCT.DIRECTORY && typeof value === "number") entry.directory = value;
    }
    return entry;
  });
}

/** undefined for a name that leads nowhere, like gcc's "<artificial>". */
function uriOf(compiledIn: string, directory: string, name: string): string | undefined {
  if (name === "" || name.startsWith("<")) return undefined;
  const path = [compiledIn, directory, name].reduce((path, next) => (next.startsWith("/") ? next : `${path}/${next}`));
  if (!path.startsWith("/")) return undefined;
  return canonicalUri(`file://${normalize(path)}`.replace(/%/g, "%25"));
}

/** The state machine's registers that matter here (section 6.2.2). */
interface Row {
  address: Addr;
  file: number;
  line: number;
  statement: boolean;
}

function runProgram(reader: DwarfReader, header: Header, bits: 32 | 64, spans: LineSpan[]): void {
  const { minimum, lineBase, lineRange, opcodeBase, statements } = header;
  const first: Row = { address: 0, file: 1, line: 1, statement: statements };
  let row = { ...first };
  let last: Row | undefined;
  const emit = () => {
    if (last !== undefined && row.address > last.address) {
      const uri = header.files[last.file];
      if (uri !== undefined && last.line > 0)
        spans.push({ start: last.address, end: row.address, uri, line: last.line - 1, bits });
    }
    // of rows at one address the last statement says what is there
    if (last === undefined || row.address > last.address || row.statement || !last.statement) last = { ...row };
  };
  while (reader.at < header.end) {
    const opcode = reader.byte();
    if (opcode >= opcodeBase) {
      row.address += Math.floor((opcode - opcodeBase) / lineRange) * minimum;
      row.line += lineBase + ((opcode - opcodeBase) % lineRange);
      emit();
      continue;
    }
    switch (opcode) {
      case LNS.EXTENDED: {
        const end = reader.uleb() + reader.at;
        const code = reader.byte();
        if (code === LNE.SET_ADDRESS) row.address = reader.unsigned(end - reader.at);
        if (code === LNE.END_SEQUENCE) {
          emit();
          row = { ...first };
          last = undefined;
        }
        reader.at = end;
        break;
      }
      case LNS.COPY:
        emit();
        break;
      case LNS.ADVANCE_PC:
        row.address += reader.uleb() * minimum;
        break;
      case LNS.ADVANCE_LINE:
        row.line += reader.sleb();
        break;
      case LNS.SET_FILE:
        row.file = reader.uleb();
        break;
      case LNS.NEGATE_STMT:
        row.statement = !row.statement;
        break;
      case LNS.CONST_ADD_PC:
        row.address += Math.floor((255 - opcodeBase) / lineRange) * minimum;
        break;
      case LNS.FIXED_ADVANCE_PC:
        row.address += reader.unsigned(2);
        break;
      default:
        for (let i = 0; i < (header.lengths[opcode] ?? 0); i++) reader.uleb();
    }
  }
}
