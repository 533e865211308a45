/** The computing groups that are helpers: strings, decimal, multiplication, x87, MMX and SSE, and the rest. */
import type { OperationTable } from "../operation.ts";
import { avxOperations } from "./avx.ts";
import { avxHalfOperations } from "./avx-halves.ts";
import { avxSumOperations } from "./avx-sums.ts";
import { bcdOperations } from "./bcd.ts";
import { cryptoOperations, shaOperations } from "./crypto.ts";
import { vexCryptoOperations } from "./crypto-vex.ts";
import { fmaOperations } from "./fma.ts";
import { galoisOperations } from "./galois.ts";
import { miscOperations } from "./misc.ts";
import { mulDivOperations } from "./muldiv.ts";
import { sseArithmeticOperations } from "./sse-arith.ts";
import { sseConversionOperations } from "./sse-convert.ts";
import { sseIntegerOperations } from "./sse-integer.ts";
import { sseMoveOperations } from "./sse-move.ts";
import { sseShuffleOperations } from "./sse-shuffle.ts";
import { sseStateOperations } from "./sse-state.ts";
import { sseTextOperations } from "./sse-text.ts";
import { sse4aOperations } from "./sse4a.ts";
import { stringOperations } from "./strings.ts";
import { x87ArithmeticOperations } from "./x87-arith.ts";
import { x87ControlOperations } from "./x87-control.ts";
import { x87LoadOperations } from "./x87-load.ts";
import { x87MathOperations } from "./x87-math.ts";
import { x87TranscendentalOperations } from "./x87-transcendental.ts";
import { xsaveOperations } from "./xsave.ts";

export const COMPUTING_TABLES: readonly OperationTable[] = [
  avxOperations,
  avxHalfOperations,
  avxSumOperations,
  fmaOperations,
  bcdOperations,
  cryptoOperations,
  galoisOperations,
  shaOperations,
  vexCryptoOperations,
  miscOperations,
  mulDivOperations,
  stringOperations,
  sseArithmeticOperations,
  sseConversionOperations,
  sseIntegerOperations,
  sseMoveOperations,
  sseShuffleOperations,
  sseStateOperations,
  sseTextOperations,
  sse4aOperations,
  x87ArithmeticOperations,
  x87ControlOperations,
  x87LoadOperations,
  x87MathOperations,
  x87TranscendentalOperations,
  xsaveOperations,
];
