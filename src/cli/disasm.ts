/** `ringside disasm`: the code of an ELF file, of source, or of a flat image, in the syntax asked for. */
import { disassemble, type Syntax } from "../emu/cpu/disassemble.ts";
import { elfCode } from "../emu/kernel/exec/elf-code.ts";
import { isElf, loadProgram } from "../emu/kernel/program.ts";
import { report } from "./asm.ts";
import { includeBytes, includeText, readFile, uriOf } from "./files.ts";
import { bitsOption, choice, dialectOption, parse } from "./options.ts";
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
  const bytes = readFile(name);
  const bits = bitsOption(parsed);
  const code = isElf(bytes) ? explain(() => elfCode(bytes)) : /\.(s|S|asm|nasm)$/.test(name) ? sourceCode() : flat();
  if (code === undefined) return 1;
  for (const part of code) print(part, syntax);
  return 0;

  function flat(): Code[] {
    return [{ address: 0n, bytes, bits, name: name! }];
  }
  function sourceCode(): Code[] | undefined {
    const options = { dialect: dialectOption(parsed), bits, include: includeText([]), includeBytes: includeBytes([]) };
    const loaded = loadProgram({ uri: uriOf(name!), bytes }, options);
    if (!loaded.ok) {
      if (loaded.problem !== undefined) throw new UsageError(loaded.problem);
      report(loaded.diagnostics);
      return undefined;
    }
    if (loaded.program.kind !== "image") return [];
    const { image } = loaded.program;
    return image.segments
      .filter(({ flags }) => flags.exec)
      .map((segment) => ({ address: segment.address, bytes: segment.bytes, bits: image.bits, name: segment.section }));
  }
}

function explain<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

function print({ address, bytes, bits, name }: Code, syntax: Syntax): void {
  const lines = [`${name}:`];
  for (const line of disassemble(bytes, address, bits, syntax)) {
    const hex = Array.from(line.bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    lines.push(`  ${line.address.toString(16).padStart(bits / 4, "0")}  ${hex.padEnd(30)}  ${line.text}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
