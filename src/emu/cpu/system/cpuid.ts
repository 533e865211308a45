/** CPUID: the tables of cpuid-data.ts as leaves. */
import type { Cpu } from "../cpu.ts";
import { ud } from "../fault.ts";
import { CR4, GPR, OFF } from "../layout.ts";
import type { Helper } from "../operation.ts";
import { PHYSICAL_BITS } from "../paging.ts";
import { hasFeature } from "./announced.ts";
import {
  AVX_OFFSET,
  CLFLUSH_QWORDS,
  FEATURES,
  IDENTITIES,
  LINEAR_BITS,
  MAX_BASIC_LEAF,
  MAX_EXTENDED_LEAF,
  MAX_RDPRU,
  MAX_SUBLEAF_7,
  XFEATURES,
  XSAVE_EXTENSIONS,
  xsaveSize,
} from "./cpuid-data.ts";
import { is64Bit } from "./predicates.ts";

interface Leaf {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

const text = (s: string, at: number): number =>
  [0, 1, 2, 3].reduce((word, i) => word | ((s.charCodeAt(at + i) || 0) << (i * 8)), 0);

/** The feature bits of one leaf. */
function featureBits(cpu: Cpu, leaf: number, subleaf = 0): Leaf {
  const result: Leaf = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  for (const f of FEATURES) {
    if (f.leaf === leaf && (f.subleaf ?? 0) === subleaf && (f.vendor ?? cpu.model.vendor) === cpu.model.vendor)
      result[f.register] |= 1 << f.bit;
  }
  return result;
}

function vendorLeaf(cpu: Cpu, eax: number): Leaf {
  const { vendor } = IDENTITIES[cpu.model.vendor];
  return { eax, ebx: text(vendor, 0), edx: text(vendor, 4), ecx: text(vendor, 8) };
}

/** A copy of CR4.OSXSAVE, for programs that cannot read that. */
const OSXSAVE_BIT = 1 << 27;

function leaf1(cpu: Cpu): Leaf {
  const leaf = featureBits(cpu, 1);
  const count = cpu.core.cpuCount;
  leaf.eax = IDENTITIES[cpu.model.vendor].signature;
  leaf.ebx = (cpu.index << 24) | (count << 16) | (CLFLUSH_QWORDS << 8);
  if (count > 1) leaf.edx |= 1 << 28;
  if (cpu.get32(OFF.CR4) & CR4.OSXSAVE) leaf.ecx |= OSXSAVE_BIT;
  return leaf;
}

/** Leaf 0xD: what XCR0 can have and how large that makes the area; what XSAVE can do; each component. */
function xsaveLeaf(cpu: Cpu, subleaf: number): Leaf {
  const enabled = cpu.get32(OFF.XCR0);
  if (subleaf === 0) return { eax: XFEATURES, ebx: xsaveSize(enabled), ecx: xsaveSize(XFEATURES), edx: 0 };
  if (subleaf === 1) return { ...ZERO, eax: XSAVE_EXTENSIONS, ebx: xsaveSize(enabled) };
  return subleaf === 2 ? { ...ZERO, eax: 256, ebx: AVX_OFFSET } : ZERO;
}

function extendedFeatures(cpu: Cpu, subleaf: number): Leaf {
  const leaf = featureBits(cpu, 7, subleaf);
  return subleaf === 0 ? { ...leaf, eax: MAX_SUBLEAF_7 } : leaf;
}

/** MONITOR: the least and the most bytes watched; interrupts can end MWAIT while they are masked. */
const MONITOR_LEAF: Leaf = { eax: 64, ebx: 64, ecx: 3, edx: 0 };

/** Address sizes; AMD says here how many registers RDPRU knows. */
function addressLeaf(cpu: Cpu): Leaf {
  const edx = hasFeature(cpu, "rdpru") ? MAX_RDPRU << 16 : 0;
  return { ...featureBits(cpu, 0x8000_0008), eax: (LINEAR_BITS << 8) | PHYSICAL_BITS, edx };
}

const SYSCALL_BIT = 1 << 11;

/** Intel reports SYSCALL only where it exists: in 64-bit mode. */
function extended1(cpu: Cpu): Leaf {
  const leaf = featureBits(cpu, 0x8000_0001);
  if (cpu.model.vendor === "amd") leaf.eax = IDENTITIES.amd.signature;
  else if (!is64Bit(cpu)) leaf.edx &= ~SYSCALL_BIT;
  return leaf;
}

function brandLeaf(cpu: Cpu, part: number): Leaf {
  const { brand } = IDENTITIES[cpu.model.vendor];
  const at = part * 16;
  return { eax: text(brand, at), ebx: text(brand, at + 4), ecx: text(brand, at + 8), edx: text(brand, at + 12) };
}

const ZERO: Leaf = { eax: 0, ebx: 0, ecx: 0, edx: 0 };

/** A leaf above the highest: Intel gives the highest basic leaf's data, AMD zeros. */
function beyond(cpu: Cpu): Leaf {
  return cpu.model.vendor === "intel" ? leafOf(cpu, MAX_BASIC_LEAF, cpu.gprLow(GPR.RCX) >>> 0) : ZERO;
}

export function leafOf(cpu: Cpu, leaf: number, subleaf: number): Leaf {
  switch (leaf) {
    case 0:
      return vendorLeaf(cpu, MAX_BASIC_LEAF);
    case 1:
      return leaf1(cpu);
    case 5:
      return MONITOR_LEAF;
    case 7:
      return extendedFeatures(cpu, subleaf);
    case 0xd:
      return xsaveLeaf(cpu, subleaf);
    case 0x8000_0000:
      return cpu.model.vendor === "amd"
        ? vendorLeaf(cpu, MAX_EXTENDED_LEAF | 0)
        : { ...ZERO, eax: MAX_EXTENDED_LEAF | 0 };
    case 0x8000_0001:
      return extended1(cpu);
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004:
      return brandLeaf(cpu, leaf - 0x8000_0002);
    case 0x8000_0008:
      return addressLeaf(cpu);
    default:
      return leaf < MAX_BASIC_LEAF || (leaf >= 0x8000_0000 && leaf <= MAX_EXTENDED_LEAF) ? ZERO : beyond(cpu);
  }
}

export const cpuid: Helper = (cpu) => {
  if (cpu.model.model !== "current") throw ud(`CPUID does not exist on the ${cpu.model.model}`);
  const leaf = leafOf(cpu, cpu.gprLow(GPR.RAX) >>> 0, cpu.gprLow(GPR.RCX) >>> 0);
  cpu.setGprHalves(GPR.RAX, leaf.eax, 0);
  cpu.setGprHalves(GPR.RBX, leaf.ebx, 0);
  cpu.setGprHalves(GPR.RCX, leaf.ecx, 0);
  cpu.setGprHalves(GPR.RDX, leaf.edx, 0);
};
