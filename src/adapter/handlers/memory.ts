/** Raw memory and disassembly. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { Syntax } from "../../emu/cpu/disassemble.ts";
import { addrHigh, isCanonical } from "../../emu/cpu/state.ts";
import { fromBase64, toBase64 } from "../debug/base64.ts";
import { type CodeLine, codeAround } from "../debug/disassembly.ts";
import { hexAddr } from "../debug/format.ts";
import { peekBytes, pokeBytes } from "../debug/guest-memory.ts";
import type { Context, HandlerTable } from "./context.ts";
import { RequestError } from "./errors.ts";
import { changed } from "./variables.ts";

/** A client asking for more than this in one go gets this much. */
const MOST_BYTES = 1 << 20;
const MOST_INSTRUCTIONS = 10_000;

function readMemory(context: Context, args: DebugProtocol.ReadMemoryArguments) {
  void context.stopped;
  const { address, cpu } = context.memoryAt(args.memoryReference, args.offset);
  const count = Math.min(Math.max(0, args.count), MOST_BYTES);
  const bytes = peekBytes(cpu, address, count);
  context.seenMemory.note(args.memoryReference, args.offset ?? 0, bytes);
  return {
    address: hexAddr(address),
    data: toBase64(bytes),
    ...(bytes.length < count ? { unreadableBytes: count - bytes.length } : {}),
  };
}

function writeMemory(context: Context, args: DebugProtocol.WriteMemoryArguments) {
  void context.stopped;
  const { address, cpu } = context.memoryAt(args.memoryReference, args.offset);
  const bytes = fromBase64(args.data);
  if (bytes === undefined) throw new RequestError("the data is not base64");
  const mapped = peekBytes(cpu, address, bytes.length).length;
  if (mapped < bytes.length && args.allowPartial !== true) {
    throw new RequestError(`only ${mapped} of ${bytes.length} bytes at ${hexAddr(address)} are mapped`);
  }
  const bytesWritten = pokeBytes(cpu, address, bytes.subarray(0, mapped));
  changed(context);
  return { bytesWritten, offset: 0 };
}

function disassembleRequest(context: Context, args: DebugProtocol.DisassembleArguments) {
  const { target } = context.stopped;
  // VS Code's Disassembly view as long as it has nothing to show; of an error it would never ask again
  if (args.memoryReference === "") return { instructions: [] };
  const { address, cpu } = context.memoryAt(args.memoryReference, args.offset);
  if (!isCanonical(addrHigh(address))) throw new RequestError(`no code can be at ${hexAddr(address)}`);
  const count = Math.min(Math.max(0, args.instructionCount), MOST_INSTRUCTIONS);
  const offset = Math.max(-MOST_INSTRUCTIONS, Math.min(MOST_INSTRUCTIONS, args.instructionOffset ?? 0));
  const lines = codeAround(target, cpu, address, offset, count, syntaxOf(context));
  return { instructions: lines.map((line, i) => dapInstruction(context, line, lines[i - 1])) };
}

/** The syntax of the program's own source. */
function syntaxOf(context: Context): Syntax {
  const { dialect, program } = context.launched.configuration;
  return dialect === "gas" || /\.s$/i.test(program) ? "gas" : "nasm";
}

function dapInstruction(
  context: Context,
  code: CodeLine,
  previous: CodeLine | undefined,
): DebugProtocol.DisassembledInstruction {
  const { target } = context.launched;
  const newLine = code.line !== undefined && code.line !== previous?.line;
  return {
    address: code.below === undefined ? hexAddr(code.address) : `-${code.below}`,
    instruction: code.text,
    instructionBytes: Array.from(code.bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" "),
    ...(code.label === undefined ? {} : { symbol: code.label }),
    ...(newLine
      ? { location: context.sources.inDisassembly(target, code.line!.uri), line: context.line(code.line!.line) }
      : {}),
    ...(code.valid ? {} : { presentationHint: "invalid" as const }),
  };
}

export const memoryHandlers: HandlerTable = { readMemory, writeMemory, disassemble: disassembleRequest };
