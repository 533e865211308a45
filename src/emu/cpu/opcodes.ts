/**
 * What iced's tables say of each Code, as plain data. iced builds all of its OpCodeInfo when it is asked for the first one, which
 * costs more than everything else at a start; so a build reads them once, and carries them as text of which a line is read when
 * its code is met. Without that text, iced is asked.
 */
import { Code, CodeExt, Mnemonic } from "./iced.ts";
import { PREBUILT_OPCODES } from "./opcodes-prebuilt.ts";

const NUMBERS = [
  ...([
    "mnemonic",
    "encoding",
    "table",
    "opCode",
    "opCodeLength",
    "mandatoryPrefix",
    "groupIndex",
    "rmGroupIndex",
  ] as const),
  ...(["operandSize", "addressSize", "memorySize", "decoderOption", "tupleType", "W", "L"] as const),
];
const FLAGS = [
  ...([
    "isInstruction",
    "isReservedNop",
    "defaultOpSize64",
    "forceOpSize64",
    "mode16",
    "mode32",
    "mode64",
    "fwait",
  ] as const),
  ...(["canUseLockPrefix", "amdLockRegBit", "canUseRepPrefix", "canUseRepnePrefix", "canUseBndPrefix"] as const),
  ...(["canUseXacquirePrefix", "canUseXreleasePrefix", "canUseOpMaskRegister", "requireOpMaskRegister"] as const),
  ...(["canUseZeroingMasking", "canUseRoundingControl", "canSuppressAllExceptions", "isWIG", "isLIG"] as const),
];

/** By iced's names in OpCodeInfo; `opKinds` are the kinds of the operands. */
export type OpCodeFacts = Readonly<Record<(typeof NUMBERS)[number], number>> &
  Readonly<Record<(typeof FLAGS)[number], boolean>> & { readonly opKinds: readonly number[] };

const RADIX = 36;

/** A line: the numbers, the flags as one number, the kinds. */
function line(code: number): string {
  const info = CodeExt.opCode(code);
  const flags = FLAGS.reduce((bits, name, i) => bits | (info[name] ? 1 << i : 0), 0);
  const kinds = Array.from({ length: info.opCount }, (_, i) => info.opKind(i));
  const numbers: number[] = [...NUMBERS.map((name) => info[name]), flags, ...kinds];
  info.free();
  return numbers.map((value) => value.toString(RADIX)).join();
}

/** By name of the mnemonic, lower case. */
type CodesByMnemonic = Readonly<Record<string, readonly number[]>>;

const allCodes = (): number[] => Object.values(Code).filter((code) => typeof code === "number");

/** @param lines by code; each begins with the mnemonic. */
function codesByMnemonic(lines: readonly string[]): CodesByMnemonic {
  const codes: Record<string, number[]> = {};
  for (const [code, line] of lines.entries())
    (codes[Mnemonic[Number.parseInt(line, RADIX)]!.toLowerCase()] ??= []).push(code);
  return codes;
}

/** The codes by mnemonic as JSON, which costs little to read; behind it lines by code. */
export function packOpCodes(): string {
  const lines = allCodes().map(line);
  return [JSON.stringify(codesByMnemonic(lines)), ...lines].join("\n");
}

function factsIn(text: string): OpCodeFacts {
  const values = text.split(",").map((value) => Number.parseInt(value, RADIX));
  const facts: Record<string, unknown> = { opKinds: values.slice(NUMBERS.length + 1) };
  NUMBERS.forEach((name, i) => void (facts[name] = values[i]));
  FLAGS.forEach((name, i) => void (facts[name] = (values[NUMBERS.length]! & (1 << i)) !== 0));
  return facts as OpCodeFacts;
}

/** A reader of packed lines, or of iced itself where there are none. */
export class OpCodes {
  private readonly known: (OpCodeFacts | undefined)[] = [];
  private readonly text: string;
  private lines: readonly string[] | undefined;
  private codes: CodesByMnemonic | undefined;

  constructor(text: string) {
    this.text = text;
  }

  private get packed(): readonly string[] {
    return (this.lines ??= this.text.split("\n"));
  }

  of(code: number): OpCodeFacts {
    return (this.known[code] ??= factsIn(this.text === "" ? line(code) : this.packed[code + 1]!));
  }

  get byMnemonic(): CodesByMnemonic {
    return (this.codes ??=
      this.text === "" ? codesByMnemonic(allCodes().map(line)) : (JSON.parse(this.packed[0]!) as CodesByMnemonic));
  }
}

export const opCodes = new OpCodes(PREBUILT_OPCODES);
