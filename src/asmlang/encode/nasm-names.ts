/** Names that only NASM has: other orders of FMA's digits, 256-bit moves, mask instructions without a width, early spellings. */
type Names = Record<string, readonly string[]>;

const ORDERS: readonly (readonly [string, string])[] = [
  ["312", "132"],
  ["123", "213"],
  ["321", "231"],
];

function fused(): Names {
  const names: Names = {};
  for (const stem of ["vfmadd", "vfmsub", "vfnmadd", "vfnmsub", "vfmaddsub", "vfmsubadd"]) {
    for (const type of ["ps", "pd", "ss", "sd"])
      for (const [written, meant] of ORDERS) names[stem + written + type] = [stem + meant + type];
  }
  return names;
}

/** NASM 2.16 misspells some of AVX512-FP16. */
function misspelt(): Names {
  const names: Names = {};
  for (const digits of ["132", "213", "231"]) {
    for (const stem of ["madd", "msub"]) {
      for (const type of ["ph", "sh"]) names[`vp${stem}${digits}${type}`] = [`vf${stem}${digits}${type}`];
      names[`vpn${stem}${digits}sh`] = [`vfn${stem}${digits}sh`];
    }
  }
  return names;
}

/** Without a letter the narrowest is meant. */
function masks(): Names {
  const names: Names = {};
  for (const stem of ["add", "and", "andn", "not", "or", "ortest", "shiftl", "shiftr", "test", "xnor", "xor"])
    names[`k${stem}`] = [`k${stem}b`];
  return names;
}

export const NASM_NAMES: Readonly<Names> = {
  ...fused(),
  ...misspelt(),
  ...masks(),
  kmov: ["kmovb", "kmovq"],
  kunpck: ["kunpckbw"],
  vldqqu: ["vlddqu"],
  vmovqqa: ["vmovdqa"],
  vmovqqu: ["vmovdqu"],
  vmovntqq: ["vmovntdq"],
  vfcmulcpch: ["vfcmulcph"],
  vfmulcpch: ["vfmulcph"],
  vendscaleph: ["vrndscaleph"],
  vendscalesh: ["vrndscalesh"],
  vbcstnebf16ps: ["vbcstnebf162ps"],
  v4dpwssd: ["vp4dpwssd"],
  v4dpwssds: ["vp4dpwssds"],
};
