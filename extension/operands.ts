/**
 * What a line of assembly looks at, as expressions of the debugger's language: registers, memory operands in either syntax with the size that the
 * instruction gives them, the flags that a conditional instruction tests. Free of VS Code. Text that is no operand gives nothing, or what cannot
 * be evaluated and is then not shown.
 */

export type Dialect = "gas" | "nasm";

/** Columns from 0, `end` behind the last one. */
export interface Operand {
  readonly start: number;
  readonly end: number;
  readonly expression: string;
}

const LEGACY = "[abcd]x|[sb]p|[sd]i";
const REGISTER_SIZES: readonly (readonly [RegExp, string])[] = [
  [/^([abcd][hl]|(sp|bp|si|di)l|r(8|9|1[0-5])b)$/, "byte"],
  [new RegExp(`^(${LEGACY}|r(8|9|1[0-5])w|[cdefgs]s)$`), "word"],
  [new RegExp(`^(e(${LEGACY})|r(8|9|1[0-5])d)$`), "dword"],
  [new RegExp(`^(r(${LEGACY})|r(8|9|1[0-5]))$`), "qword"],
];
const SUFFIXES: Readonly<Record<string, string>> = { b: "byte", w: "word", l: "dword", q: "qword" };

function sizeOfRegister(name: string): string | undefined {
  return REGISTER_SIZES.find(([names]) => names.test(name.toLowerCase()))?.[1];
}

/** Flags by condition, as in jCC, setCC and cmovCC; the negated ones test the same. */
const CONDITIONS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^n?[ez]$/, ["ZF"]],
  [/^(n?c|n?b|n?ae)$/, ["CF"]],
  [/^n?(a|be)$/, ["CF", "ZF"]],
  [/^n?s$/, ["SF"]],
  [/^n?o$/, ["OF"]],
  [/^(n?p|p[eo])$/, ["PF"]],
  [/^n?(l|ge)$/, ["SF", "OF"]],
  [/^n?(g|le)$/, ["ZF", "SF", "OF"]],
];

function flagsOf(mnemonic: string): readonly string[] {
  const condition = /^(?:j|set|cmov)([a-z]{1,3})$/.exec(mnemonic)?.[1];
  return CONDITIONS.find(([names]) => condition !== undefined && names.test(condition))?.[1] ?? [];
}

interface Instruction {
  readonly mnemonic: string;
  /** Column of the mnemonic. */
  readonly at: number;
  /** The operands' text, blanks where the rest of the line was, so that columns are the line's. */
  readonly operands: string;
}

/** Blanks out strings, and cuts the comment off. */
function code(line: string, dialect: Dialect): string {
  const plain = line.replaceAll(/"(\\.|[^"\\])*"|'[^']*'/g, (text) => " ".repeat(text.length));
  const comment = plain.search(dialect === "nasm" ? /;/ : /#|\/\//);
  return comment < 0 ? plain : plain.slice(0, comment);
}

const LABELS = /^(?:\s*[\w.$@?~]+:)*\s*/;
const PREFIXES = /^(?:(?:lock|rep|repe|repne|repz|repnz)\s+)*/i;

function instructionOn(line: string, dialect: Dialect): Instruction | undefined {
  const text = code(line, dialect);
  const labels = LABELS.exec(text)![0].length;
  const at = labels + PREFIXES.exec(text.slice(labels))![0].length;
  const mnemonic = /^[a-z]\w*/i.exec(text.slice(at))?.[0];
  if (mnemonic === undefined) return undefined;
  const from = at + mnemonic.length;
  return { mnemonic: mnemonic.toLowerCase(), at, operands: " ".repeat(from) + text.slice(from) };
}

const INTEL_MEMORY = /(?:\b(byte|word|dword|qword)\s+(?:ptr\s+)?)?(?:\b([cdefgs]s)\s*:\s*)?\[([^[\]]*)\]/gi;
const ATT_MEMORY = /(?:%([cdefgs]s)\s*:\s*)?([\w.$+*-]*)\(\s*(?:%(\w+))?\s*(?:,\s*%(\w+)\s*(?:,\s*(\d+))?)?\s*\)/gi;
/** Not a segment override. */
const REGISTER = /%?\b([a-z]\w{1,3})\b(?!\s*:)/gi;

/** Size of a memory operand that does not say it: by AT&T suffix, or by the register beside it. */
function sizeBeside({ mnemonic, operands }: Instruction): string {
  const outside = operands.replaceAll(INTEL_MEMORY, "").replaceAll(ATT_MEMORY, "");
  const beside = [...outside.matchAll(REGISTER)].map(([, name]) => sizeOfRegister(name!)).find(Boolean);
  const extends_ = /^mov[sz]([bwl])[wlq]$/.exec(mnemonic)?.[1];
  const suffix = SUFFIXES[extends_ ?? (operands.includes("%") || beside === undefined ? mnemonic.at(-1)! : "")];
  const size = extends_ === undefined ? (beside ?? suffix) : suffix;
  return size === undefined ? "" : `${size} `;
}

interface Memory {
  readonly start: number;
  readonly end: number;
  readonly size: string | undefined;
  readonly segment: string | undefined;
  readonly address: string;
}

function* memoryIn(operands: string, dialect: Dialect): Generator<Memory> {
  for (const { index, 0: text, 1: size, 2: segment, 3: inner } of operands.matchAll(INTEL_MEMORY)) {
    const address = inner!.replace(/^\s*(?:rel|abs)\s+/i, "").trim();
    yield { start: index, end: index + text.length, size: size?.toLowerCase(), segment, address };
  }
  if (dialect === "nasm") return;
  for (const { index, 0: text, 1: segment, 2: displacement, 3: base, 4: at, 5: scale } of operands.matchAll(
    ATT_MEMORY,
  )) {
    const parts = [base === "rip" ? undefined : base, at && `${at}*${scale ?? 1}`, displacement || undefined];
    const address = parts.filter(Boolean).join("+").replaceAll("+-", "-");
    yield { start: index, end: index + text.length, size: undefined, segment, address };
  }
}

function memoryOperands(instruction: Instruction, dialect: Dialect): Operand[] {
  const isAddress = /^lea[wlq]?$/.test(instruction.mnemonic);
  return [...memoryIn(instruction.operands, dialect)].map(({ start, end, size, segment, address }) => {
    const where = segment === undefined ? address : `${segment}:${address}`;
    const width = size === undefined ? sizeBeside(instruction) : `${size} `;
    return { start, end, expression: isAddress ? address : `${width}[${where}]` };
  });
}

const registersIn = (operands: string): Operand[] =>
  [...operands.matchAll(REGISTER)]
    .filter(([, name]) => sizeOfRegister(name!) !== undefined)
    .map(({ index, 0: text, 1: name }) => ({
      start: index,
      end: index + text.length,
      expression: name!.toLowerCase(),
    }));

/** What the instruction on a line reads or writes, in the order of the text; its condition's flags last. Each once. */
export function operandsOn(line: string, dialect: Dialect): Operand[] {
  const instruction = instructionOn(line, dialect);
  if (instruction === undefined) return [];
  const { mnemonic, at, operands } = instruction;
  const flags = flagsOf(mnemonic).map((expression) => ({ start: at, end: at + mnemonic.length, expression }));
  const inOrder = [...memoryOperands(instruction, dialect), ...registersIn(operands)].sort((a, b) => a.start - b.start);
  const all = [...inOrder, ...flags];
  return all.filter(({ expression }, i) => all.findIndex((other) => other.expression === expression) === i);
}

/** What is under a column: a register, or the memory operand around it, or the name that stands there. */
export function operandAt(line: string, column: number, dialect: Dialect): Operand | undefined {
  const isHere = ({ start, end }: Operand) => start <= column && column < end;
  const instruction = instructionOn(line, dialect);
  const found =
    instruction &&
    (registersIn(instruction.operands).find(isHere) ?? memoryOperands(instruction, dialect).find(isHere));
  return found ?? names(code(line, dialect)).find(isHere);
}

const names = (text: string): Operand[] =>
  [...text.matchAll(/[A-Za-z_.][\w.$@]*/g)].map(({ index, 0: name }) => ({
    start: index,
    end: index + name.length,
    expression: name,
  }));
