/** What the two tools decide on their own: sizes taken for granted, and statements they read as another one. */
import { Register } from "../../emu/cpu/iced.ts";
import type { Query } from "./match.ts";
import { regInfo } from "./registers.ts";
import type { EncodeRequest } from "./types.ts";

/** Instructions whose unsized memory operand has the mode's natural size. */
const NATURAL: Readonly<Record<EncodeRequest["dialect"], ReadonlySet<string>>> = {
  nasm: new Set(["call", "jmp"]),
  gas: new Set(["call", "jmp", "push", "pop", "lcall", "ljmp"]),
};

export function defaultSized(request: EncodeRequest, query: Query): boolean {
  return query.names.some((name) => NATURAL[request.dialect].has(name));
}

/** NASM shortens `mov rax, 5` to the 32-bit move, which clears the upper half, and gives a symbol the full 64 bits. */
function shortenedMove(request: EncodeRequest): EncodeRequest {
  const [to, from] = request.operands;
  if (to?.kind !== "reg" || from?.kind !== "imm" || regInfo(to.reg)?.class !== "r64") return request;
  const value = from.value.known;
  if (value === undefined || from.strict || from.size !== undefined || value < 0n || value > 0xffffffffn)
    return request;
  return { ...request, operands: [{ kind: "reg", reg: to.reg - Register.RAX + Register.EAX }, from] };
}

export function rewrite(request: EncodeRequest): EncodeRequest {
  if (request.dialect === "nasm" && request.mnemonic === "mov" && request.bits === 64) return shortenedMove(request);
  return request;
}
