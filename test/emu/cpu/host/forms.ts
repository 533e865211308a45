/** Instructions to try, as NASM text: every integer operation in every operand size and shape. rdi points to 32 bytes of data. */
const SIZES = [
  { bits: 8, a: "al", b: "bl", mem: "byte [rdi+8]", cl: "cl" },
  { bits: 8, a: "ah", b: "dl", mem: "byte [rdi+8]", cl: "cl" },
  { bits: 16, a: "ax", b: "bx", mem: "word [rdi+8]", cl: "cl" },
  { bits: 32, a: "eax", b: "ebx", mem: "dword [rdi+8]", cl: "cl" },
  { bits: 64, a: "rax", b: "rbx", mem: "qword [rdi+8]", cl: "cl" },
] as const;
const CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];

export function forms(): string[] {
  const out: string[] = [];
  for (const { bits, a, b, mem } of SIZES) {
    for (const op of ["add", "adc", "sub", "sbb", "and", "or", "xor", "cmp", "test"]) {
      out.push(`${op} ${a}, ${b}`, `${op} ${mem}, ${b}`, `${op} ${a}, ${bits === 64 ? -0x12345 : 0x5a}`);
      if (op !== "test") out.push(`${op} ${b}, ${mem}`);
    }
    for (const op of ["inc", "dec", "neg", "not"]) out.push(`${op} ${a}`, `${op} ${mem}`);
    for (const op of ["xadd", "cmpxchg", "xchg"])
      out.push(`${op} ${a}, ${b}`, `${op} ${mem}, ${b}`, `${op} ${b}, ${b}`);
    for (const op of ["shl", "shr", "sar", "rol", "ror", "rcl", "rcr"]) {
      for (const count of ["1", "cl", "0", "3", String(bits - 1), "19"])
        out.push(`${op} ${a}, ${count}`, `${op} ${mem}, ${count}`);
    }
    out.push(`mov ${a}, ${b}`, `mov ${mem}, ${b}`, `mov ${b}, ${mem}`);
    if (bits === 8) continue;
    for (const op of ["shld", "shrd"])
      for (const count of ["1", "7", "cl"]) out.push(`${op} ${a}, ${b}, ${count}`, `${op} ${mem}, ${b}, ${count}`);
    for (const op of ["bt", "bts", "btr", "btc"]) out.push(`${op} ${a}, ${b}`, `${op} ${a}, 5`, `${op} ${mem}, 13`);
    for (const op of ["bsf", "bsr", "popcnt", "lzcnt", "tzcnt"]) out.push(`${op} ${a}, ${b}`, `${op} ${b}, ${mem}`);
    for (const cc of CONDITIONS) out.push(`cmov${cc} ${a}, ${b}`);
    for (const op of ["movbe"]) out.push(`${op} ${a}, ${mem}`, `${op} ${mem}, ${b}`);
    if (bits >= 32) {
      out.push(`bswap ${a}`, `andn ${a}, ${b}, ${a}`, `blsi ${a}, ${b}`, `blsr ${a}, ${b}`, `blsmsk ${a}, ${b}`);
      const c = bits === 64 ? "rcx" : "ecx";
      for (const op of ["bextr", "bzhi", "sarx", "shlx", "shrx"]) out.push(`${op} ${a}, ${b}, ${c}`);
      out.push(`rorx ${a}, ${b}, 11`, `pdep ${a}, ${b}, ${c}`, `pext ${a}, ${b}, ${c}`);
      out.push(`lea ${a}, [rsi+rcx*4-0x77]`, `lea ${a}, [ebx+ecx*8+5]`);
    }
  }
  out.push("cbw", "cwde", "cdqe", "cwd", "cdq", "cqo", "lahf", "sahf", "clc", "stc", "cmc");
  out.push(
    "movzx eax, bl",
    "movzx ax, bl",
    "movzx rax, bx",
    "movsx eax, bh",
    "movsx rax, bx",
    "movsx ax, bl",
    "movsxd rax, ebx",
  );
  out.push("movsx rax, byte [rdi+3]", "movzx eax, word [rdi+5]", "xchg ah, al", "lea ax, [rbx+rcx+1]");
  for (const cc of CONDITIONS) out.push(`set${cc} al`, `set${cc} ah`, `set${cc} [rdi+9]`);
  return out;
}
