/** SSE4A, AMD's: bit fields of the low quadword, and stores of scalars past the caches. */
import { computed, type Operation, type OperationTable } from "../operation.ts";
import { announced } from "../system/announced.ts";
import { checkSse, DST, loadLanes, SRC, storeLanes, writeXmm } from "./sse-lanes.ts";

/** Bits of the field: a length of 0 means 64; what lies above bit 63 is not there. */
const maskOf = (length: number): bigint => (1n << BigInt(length & 63 || 64)) - 1n;

/** Length and index: two immediates, or two bytes of the last register. */
function fieldOf(immediates: readonly number[], register: bigint): { mask: bigint; index: bigint } {
  const [length, index] =
    immediates.length === 2 ? immediates : [Number(register & 63n), Number((register >> 8n) & 63n)];
  return { mask: maskOf(length!), index: BigInt(index! & 63) };
}

/** d's low quadword from d, s and the field. */
type Fields = (d: bigint, s: bigint, field: { mask: bigint; index: bigint }) => bigint;

const fields = (described: 0 | 1, fn: Fields): Operation =>
  computed(
    announced("sse4a", (cpu, insn) => {
      checkSse(cpu);
      loadLanes(cpu, insn, 0, DST, 16, false);
      if (insn.ops[1]!.kind === "xmm") loadLanes(cpu, insn, 1, SRC, 16, false);
      const immediates = insn.ops.flatMap((op) => (op.kind === "imm" ? [op.low] : []));
      const field = fieldOf(immediates, SRC.u64[described]!);
      DST.u64[0] = BigInt.asUintN(64, fn(DST.u64[0]!, SRC.u64[0]!, field));
      const target = insn.ops[0]!;
      if (target.kind === "xmm") writeXmm(cpu, target.reg, DST, 16);
    }),
  );

const store = (bytes: 4 | 8): Operation =>
  computed(
    announced("sse4a", (cpu, insn) => {
      checkSse(cpu);
      loadLanes(cpu, insn, 1, SRC, 16, false);
      storeLanes(cpu, insn, 0, SRC, bytes);
    }),
  );

export const sse4aOperations: OperationTable = {
  Extrq: fields(0, (d, _s, { mask, index }) => (d >> index) & mask),
  Insertq: fields(1, (d, s, { mask, index }) => (d & ~(mask << index)) | ((s & mask) << index)),
  Movntss: store(4),
  Movntsd: store(8),
};
