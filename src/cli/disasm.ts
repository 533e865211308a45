/** `ringside disasm`: the code of an ELF file, of source, or of a flat image, in the syntax asked for. */

import type { Image } from "../asmlang/types.ts";
import { disassemble, type Syntax } from "../emu/cpu/disassemble.ts";
import { readProgram } from "../emu/kernel/exec/elf.ts";
import { isElf, loadProgram } from "../emu/kernel/program.ts";
import type { Program } from "../emu/kernel/types.ts";
import { report } from "./asm.ts";
import { includeBytes, includeText, readFile, uriOf } from "./files.ts";
import { bitsOption, choice, dialectOption, type Parsed, parse } from "./options.ts";
import { UsageError } from "./usage.ts";

interface Code {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly bits: 16 | 32 | 64;
  readonly name: string;
}

export function disasm(args: readonly string[]): number {
  const parsed = parse(args, { syntax: { type: "string" }, bits: { type: "string" }, dialect: { type: "string" } });
  const [name, ...rest] = parsed.positionals;
  if (name === undefined || rest.length > 0) throw new UsageError("disasm takes one FILE");
  const syntax: Syntax = choice(parsed, "syntax", ["nasm", "gas", "intel"] as const, "nasm");
  const code = codeOf(parsed, name);
  if (code === undefined) return 1;
  for (const part of code) print(part, syntax);
  return 0;
}

/** undefined = the source has errors, and they have been reported. */
function codeOf(parsed: Parsed, name: string): Code[] | undefined {
  const bytes = readFile(name);
  const bits = bitsOption(parsed);
  if (!isElf(bytes) && !/\.(s|S|asm|nasm)$/.test(name)) return [{ address: 0n, bytes, bits, name }];
  const options = { dialect: dialectOption(parsed), bits, include: includeText([]), includeBytes: includeBytes([]) };
  const loaded = loadProgram({ uri: uriOf(name), bytes }, options);
  if (!loaded.ok) {
    if (loaded.problem !== undefined) throw new UsageError(loaded.problem);
    report(loaded.diagnostics);
    return undefined;
  }
  return loaded.program.kind === "image" ? imageCode(loaded.program.image) : elfCode(loaded.program, name);
}

const imageCode = (image: Image): Code[] =>
  image.segments
    .filter(({ flags }) => flags.exec)
    .map(({ address, bytes, section }) => ({ address, bytes, bits: image.bits, name: section }));

function elfCode(program: Program, name: string): Code[] {
  const loadable = readProgram(program);
  if (typeof loadable === "string") throw new UsageError(`${name}: ${loadable}`);
  return loadable.segments
    .filter(({ exec }) => exec)
    .map(({ address, bytes }) => ({ address: BigInt(address), bytes, bits: loadable.bits, name }));
}

function print({ address, bytes, bits, name }: Code, syntax: Syntax): void {
  const lines = [`${name}:`];
  for (const line of disassemble(bytes, address, bits, syntax)) {
    const hex = Array.from(line.bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(`  ${line.address.toString(16).padStart(bits / 4, "0")}  ${hex.padEnd(30)}  ${line.text}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
