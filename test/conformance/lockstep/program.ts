/**
 * The file that both sides run: a static ELF of the batch's code and memory, whose beginning makes the LDT segments, maps shared
 * memory over the data if the tracer gave it some, and stops at a breakpoint.
 */
import { assemble, link, writeElfExecutable } from "../../../src/asmlang/index.ts";
import { CODE, DATA, DATA_SIZE, PROLOGUE, READ_ONLY, SHARED_FD } from "./layout.ts";

/** `struct user_desc` of asm/ldt.h: number, base, limit, flags. Flags: 1 32-bit, 2 and 4 contents, 0x40 usable. */
const LDT = [
  [0, CODE, 0x44],
  [1, DATA, 0x40],
  [2, CODE, 0x45],
  [3, DATA, 0x41],
] as const;

const SOURCE = `
        bits 64
        global _start
_start: ${LDT.map(
  (_, i) => `
        mov eax, 154                    ; modify_ldt
        mov edi, 1
        lea rsi, [rel entry${i}]
        mov edx, 16
        syscall
        test rax, rax
        js failed`,
).join("")}
        mov eax, 9                      ; mmap; without the tracer there is no such file, and the file's own data stays
        mov edi, ${DATA}
        mov esi, ${DATA_SIZE}
        mov edx, 3
        mov r10d, 0x11                  ; MAP_SHARED | MAP_FIXED
        mov r8d, ${SHARED_FD}
        xor r9d, r9d
        syscall
        lea rax, [rel clear]
failed: int3
        align 8
clear:  popfq
        align 8
        dq 0x202
${LDT.map(([number, base, flags], i) => `entry${i}: dd ${number}, ${base}, 0xffff, ${flags}`).join("\n")}
`;

let prologue: Uint8Array | undefined;
function prologueBytes(): Uint8Array {
  if (prologue) return prologue;
  const result = assemble({ uri: "prologue.asm", text: SOURCE }, { dialect: "nasm", bits: 64 });
  const image = link([result], { sectionBase: { ".text": BigInt(PROLOGUE) } });
  const text = image.segments.find((segment) => segment.section === ".text");
  if (!text) throw new Error(`the prologue does not assemble: ${result.diagnostics[0]?.message}`);
  return (prologue = text.bytes);
}

export function elfOf(code: Uint8Array, data: Uint8Array, readOnly: Uint8Array): Uint8Array {
  const segment = (section: string, address: number, bytes: Uint8Array, write: boolean, exec: boolean) => ({
    section,
    address: BigInt(address),
    bytes,
    memorySize: bytes.length,
    flags: { write, exec },
  });
  return writeElfExecutable({
    segments: [
      segment(".prologue", PROLOGUE, prologueBytes(), false, true),
      segment(".text", CODE, code, false, true),
      segment(".data", DATA, data, true, false),
      segment(".rodata", READ_ONLY, readOnly, false, false),
    ],
    symbols: new Map([["_start", BigInt(PROLOGUE)]]),
    lines: [],
    diagnostics: [],
    bits: 64,
    entry: BigInt(PROLOGUE),
    execStack: false,
  });
}
