/** Mnemonics that carry an immediate in their name: `cmpltps`, `vcmpneq_uqsd`, `vpcomgtuw`, `pclmulhqlqdq`. */
import type { Dialect } from "../types.ts";
import { formsNamed } from "./forms.ts";
import type { EncodeRequest } from "./types.ts";

const SSE = ["eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord"];
const AVX = [
  ...["eq eq_oq", "lt lt_os", "le le_os", "unord unord_q", "neq neq_uq", "nlt nlt_us", "nle nle_us", "ord ord_q"],
  ...["eq_uq", "nge nge_us", "ngt ngt_us", "false false_oq", "neq_oq", "ge ge_os", "gt gt_os", "true true_uq"],
  ...["eq_os", "lt_oq", "le_oq", "unord_s", "neq_us", "nlt_uq", "nle_uq", "ord_s"],
  ...["eq_us", "nge_uq", "ngt_uq", "false_os", "neq_os", "ge_oq", "gt_oq", "true_us"],
];
const XOP = ["lt", "le", "gt", "ge", "eq", "neq", "false", "true"];
/** EVEX comparisons of integers. */
const INTEGERS = [["eq"], ["lt"], ["le", "ngt"], [], ["neq"], ["nlt", "ge"], ["nle", "gt"]];
const NASM_ONLY = /^vpcmp(ngt|ge|gt)u?[bwdq]$/;
const PRODUCTS: Readonly<Record<string, number>> = { lqlq: 0, hqlq: 1, lqhq: 16, hqhq: 17 };

export interface Pseudo {
  readonly mnemonic: string;
  readonly immediate: bigint;
}

function build(): ReadonlyMap<string, Pseudo> {
  const names = new Map<string, Pseudo>();
  const add = (name: string, mnemonic: string, value: number) =>
    names.set(name, { mnemonic, immediate: BigInt(value) });
  for (const type of ["ps", "pd", "ss", "sd", "ph", "sh"]) {
    if (!type.endsWith("h")) for (const [i, condition] of SSE.entries()) add(`cmp${condition}${type}`, `cmp${type}`, i);
    for (const [i, conditions] of AVX.entries())
      for (const condition of conditions.split(" ")) add(`vcmp${condition}${type}`, `vcmp${type}`, i);
  }
  for (const type of ["b", "w", "d", "q", "ub", "uw", "ud", "uq"])
    for (const [i, condition] of XOP.entries()) add(`vpcom${condition}${type}`, `vpcom${type}`, i);
  for (const type of ["b", "w", "d", "q", "ub", "uw", "ud", "uq"])
    for (const [i, conditions] of INTEGERS.entries())
      for (const condition of conditions) add(`vpcmp${condition}${type}`, `vpcmp${type}`, i);
  for (const [halves, value] of Object.entries(PRODUCTS))
    for (const letter of ["", "v"]) add(`${letter}pclmul${halves}dq`, `${letter}pclmulqdq`, value);
  return names;
}

let pseudos: ReadonlyMap<string, Pseudo> | undefined;

/** NASM has none for XOP's comparisons. */
export function pseudoNamed(mnemonic: string, dialect: Dialect): Pseudo | undefined {
  pseudos ??= build();
  if (dialect === "nasm" ? mnemonic.startsWith("vpcom") : NASM_ONLY.test(mnemonic)) return undefined;
  const pseudo = pseudos.get(mnemonic);
  // VPCMPEQB and VPCMPGTB have opcodes of their own.
  return pseudo === undefined || formsNamed(mnemonic).length > 0 ? undefined : pseudo;
}

/** The statement with its immediate written out. */
export function spelledOut(request: EncodeRequest): EncodeRequest {
  const pseudo = pseudoNamed(request.mnemonic, request.dialect);
  if (pseudo === undefined) return request;
  const operands = [...request.operands, { kind: "imm", value: { known: pseudo.immediate } } as const];
  return { ...request, mnemonic: pseudo.mnemonic, operands };
}
