/** What requests for an encoding came to: the same one, in other lines or other passes of the layout, is not looked for again. */
import { encode } from "../encode/index.ts";
import type { AsmOperand, EncodeRequest, EncodeResult, Value } from "../encode/types.ts";

/** By mnemonic, and by all else that counts: of a value only whether it is known, and which it is. */
const known = new Map<string, Map<string, EncodeResult>>();
/** As many as there are known statements: a long source that is read again finds all of its own. */
const MOST = 50_000;
let count = 0;

export function encoded(request: EncodeRequest): EncodeResult {
  let results = known.get(request.mnemonic);
  if (!results) known.set(request.mnemonic, (results = new Map()));
  const key = keyOf(request);
  const before = results.get(key);
  if (before) return before;
  const result = encode(request);
  if (++count > MOST) {
    known.clear();
    known.set(request.mnemonic, (results = new Map()));
    count = 1;
  }
  results.set(key, result);
  return result;
}

/** Short texts that V8 keeps in one piece: what is usual has one character for each of its parts. */
function keyOf({
  dialect,
  intelMnemonics,
  uncrossed,
  bits,
  operands,
  prefixes,
  hints,
  rounding,
  architecture,
}: EncodeRequest): string {
  const names = Number(dialect === "gas") | (Number(intelMnemonics) << 1) | (Number(uncrossed ?? false) << 2);
  let key = String.fromCharCode(bits | names);
  for (const operand of operands) key += keyOfOperand(operand);
  if (prefixes.length + hints.length > 0) key += ` ${prefixes.join()};${hints.join()}`;
  if (architecture) key += ` ${architecture.name}`;
  if (rounding) key += ` ${rounding.mode} ${rounding.after}`;
  return key;
}

/** Registers without decorations, by their numbers. */
const REGISTERS = Array.from({ length: 256 }, (_, register) => `r${String.fromCharCode(register)}`);

/** Each starts with a letter, which nothing before it ends with. */
function keyOfOperand(operand: AsmOperand): string {
  switch (operand.kind) {
    case "reg":
      return operand.mask ? keyOfParts(operand) : REGISTERS[operand.reg]!;
    case "imm":
      return operand.size === undefined ? `i${keyOfValue(operand.value)}` : keyOfParts(operand);
    case "mem": {
      if (!isPlain(operand)) return keyOfParts(operand);
      const { base, index, scale, segment, size, displacement } = operand;
      const key = String.fromCharCode(0x6d, base, index, scale, segment, size);
      return displacement ? key + keyOfValue(displacement) : key;
    }
    default:
      return keyOfParts(operand);
  }
}

/** An address with no more than its registers, its displacement and its size. */
const isPlain = (memory: Extract<AsmOperand, { kind: "mem" }>): boolean =>
  memory.displacementSize === undefined &&
  memory.addressSize === undefined &&
  memory.nosplit === undefined &&
  memory.relative === undefined &&
  memory.far === undefined &&
  memory.noIndex === undefined &&
  memory.mask === undefined &&
  memory.broadcast === undefined;

/** A number, if it is one that can say it, makes a text faster. */
function keyOfValue({ known }: Value): string {
  if (known === undefined) return "?";
  const small = Number(known);
  return Number.isSafeInteger(small) ? `${small}` : `${known}`;
}

function keyOfParts(parts: object): string {
  let key = "(";
  for (const [name, part] of Object.entries(parts)) {
    if (part === undefined) continue;
    if (typeof part !== "object" || part === null) key += ` ${name}${part}`;
    else key += "known" in part ? ` ${name}=${keyOfValue(part)}` : ` ${name}${keyOfParts(part)}`;
  }
  return `${key})`;
}
