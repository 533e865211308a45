/**
 * The FPU state in signal frames: the FXSAVE or XSAVE image of the running CPU, built and taken apart as those instructions and their
 * opposites do, and the older image that 32-bit frames carry in front of it.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { CR4, OFF, SEG } from "../../cpu/layout.ts";
import { loadSelectors, selectorImage } from "../../cpu/ops/x87-pointers.ts";
import { AVX_OFFSET, XFEATURE, xsaveSize } from "../../cpu/system/cpuid-data.ts";
import {
  FP_XSTATE_MAGIC1,
  FP_XSTATE_MAGIC2,
  FPREGS_32,
  FPX_SW_BYTES,
  FPX_SW_OFFSET,
  FREGS_SIZE,
  FXSAVE_SIZE,
  X86_FXSR_MAGIC,
  XSTATE_MAGIC2_SIZE,
} from "../abi/sigcontext.ts";

const HEADER_SIZE = 64;
const FPSSE = XFEATURE.X87 | XFEATURE.SSE;

const useXsave = (cpu: Cpu): boolean => (cpu.get32(OFF.CR4) & CR4.OSXSAVE) !== 0;
const enabled = (cpu: Cpu): number => cpu.get32(OFF.XCR0);

/** Bytes of the FXSAVE or XSAVE image in a frame, magic2 included. */
export const stateSize = (cpu: Cpu): number =>
  useXsave(cpu) ? xsaveSize(enabled(cpu)) + XSTATE_MAGIC2_SIZE : FXSAVE_SIZE;

/** copy_fpstate_to_sigframe(): the image of a frame; with XSAVE, what says so, the header and the upper YMM halves as well. */
export function frameImage(cpu: Cpu, bits: 32 | 64, legacyInFront: boolean): Uint8Array {
  const fxsave = fxsaveImage(cpu, bits);
  if (!useXsave(cpu)) return fxsave;
  const size = xsaveSize(enabled(cpu));
  const image = new Uint8Array(size + XSTATE_MAGIC2_SIZE);
  const software = FPX_SW_BYTES.make({
    magic1: FP_XSTATE_MAGIC1,
    extended_size: size + XSTATE_MAGIC2_SIZE + (legacyInFront ? FREGS_SIZE : 0),
    xfeatures: enabled(cpu),
    xstate_size: size,
  });
  image.set(fxsave);
  image.set(software.bytes, FPX_SW_OFFSET);
  const view = new DataView(image.buffer);
  // x87 and SSE count as present, for programs that change them without knowing of the header.
  view.setUint32(FXSAVE_SIZE, FPSSE | (enabled(cpu) & XFEATURE.AVX && upperInUse(cpu) ? XFEATURE.AVX : 0), true);
  if (enabled(cpu) & XFEATURE.AVX)
    for (let i = 0; i < registersOf(bits); i++)
      image.set(stateBytes(cpu, OFF.YMM + i * 32 + 16, 16), AVX_OFFSET + i * 16);
  view.setUint32(size, FP_XSTATE_MAGIC2, true);
  return image;
}

const registersOf = (bits: 32 | 64): number => (bits === 64 ? 16 : 8);
const upperInUse = (cpu: Cpu): boolean => {
  for (let i = 0; i < 16; i++) if (stateBytes(cpu, OFF.YMM + i * 32 + 16, 16).some((byte) => byte !== 0)) return true;
  return false;
};

/** Bytes from user memory, or undefined. */
type Reader = (offset: number, length: number) => Uint8Array | undefined;

/** __fpu_restore_sig(): false = the frame is bad. */
export function loadFrameImage(cpu: Cpu, read: Reader, bits: 32 | 64): boolean {
  const fxsave = read(0, FXSAVE_SIZE);
  if (fxsave === undefined) return false;
  if (!useXsave(cpu)) return loadFxsave(cpu, fxsave, bits);
  const software = FPX_SW_BYTES.at(fxsave.subarray(FPX_SW_OFFSET));
  const size = software.get("xstate_size");
  const known =
    software.get("magic1") === FP_XSTATE_MAGIC1 &&
    size >= FXSAVE_SIZE + HEADER_SIZE &&
    size <= xsaveSize(enabled(cpu)) &&
    size <= software.get("extended_size");
  if (!known) return loadLegacyOnly(cpu, fxsave, bits);
  const magic2 = read(size, XSTATE_MAGIC2_SIZE);
  if (magic2 === undefined) return false;
  if (new DataView(magic2.buffer, magic2.byteOffset).getUint32(0, true) !== FP_XSTATE_MAGIC2)
    return loadLegacyOnly(cpu, fxsave, bits);
  return loadXsave(cpu, fxsave, read, Number(software.big("xfeatures")) & enabled(cpu), bits);
}

/** Without a valid header: x87 and SSE from the image, the rest initial. */
function loadLegacyOnly(cpu: Cpu, fxsave: Uint8Array, bits: 32 | 64): boolean {
  if (!loadFxsave(cpu, fxsave, bits)) return false;
  clearUpper(cpu);
  return true;
}

/** What XRSTOR does with the components `asked` for; those left out become initial too. */
function loadXsave(cpu: Cpu, fxsave: Uint8Array, read: Reader, asked: number, bits: 32 | 64): boolean {
  const header = read(FXSAVE_SIZE, HEADER_SIZE);
  if (header === undefined) return false;
  const view = new DataView(header.buffer, header.byteOffset, HEADER_SIZE);
  const present = view.getUint32(0, true);
  const reserved = header.subarray(4, 24).some((byte) => byte !== 0);
  if (reserved || (present & ~enabled(cpu)) !== 0) return false;
  const loaded = asked & present;
  const upper = loaded & XFEATURE.AVX ? read(AVX_OFFSET, 256) : undefined;
  if (loaded & XFEATURE.AVX && upper === undefined) return false;
  const mxcsr = new DataView(fxsave.buffer, fxsave.byteOffset).getUint32(24, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  if (loaded & FPSSE) loadFxsave(cpu, fxsave, bits);
  if (!(loaded & XFEATURE.X87)) clearX87(cpu);
  if (!(loaded & XFEATURE.SSE)) clearSse(cpu);
  cpu.set32(OFF.MXCSR, asked & (XFEATURE.SSE | XFEATURE.AVX) ? mxcsr : MXCSR_DEFAULT);
  clearUpper(cpu);
  if (upper !== undefined)
    for (let i = 0; i < registersOf(bits); i++)
      cpu.core.u8.set(upper.subarray(i * 16, i * 16 + 16), cpu.base + OFF.YMM + i * 32 + 16);
  return true;
}

const MXCSR_DEFAULT = 0x1f80;
const REGISTERS = 32;
const XMM = 160;
const TAG_EMPTY = 3;
/** Bits of MXCSR that may be set; others make FXRSTOR fault. */
const MXCSR_MASK = 0xffff;

const top = (cpu: Cpu): number => (cpu.get32(OFF.FSW) >> 11) & 7;
const tagOfRegister = (cpu: Cpu, physical: number): number => (cpu.get32(OFF.FTW) >> (physical * 2)) & 3;

/** What FXSAVE stores, without the bytes at the end that it leaves alone. */
export function fxsaveImage(cpu: Cpu, bits: 32 | 64): Uint8Array {
  const image = new Uint8Array(FPX_SW_OFFSET);
  const view = new DataView(image.buffer);
  view.setUint16(0, cpu.get32(OFF.FCW), true);
  view.setUint16(2, cpu.get32(OFF.FSW), true);
  image[4] = abridgedTags(cpu);
  view.setUint16(6, cpu.get32(OFF.FOP), true);
  view.setBigUint64(8, cpu.get64(OFF.FIP), true);
  view.setBigUint64(16, cpu.get64(OFF.FDP), true);
  if (bits === 32) {
    view.setUint32(12, selectorImage(cpu, OFF.FCS), true);
    view.setUint32(20, selectorImage(cpu, OFF.FDS), true);
  }
  view.setUint32(24, cpu.get32(OFF.MXCSR), true);
  view.setUint32(28, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) image.set(x87Bytes(cpu, (top(cpu) + i) & 7), REGISTERS + i * 16);
  for (let i = 0; i < registersOf(bits); i++) image.set(stateBytes(cpu, OFF.YMM + i * 32, 16), XMM + i * 16);
  return image;
}

/** What FXRSTOR loads; false = it would fault (reserved MXCSR bits). */
export function loadFxsave(cpu: Cpu, image: Uint8Array, bits: 32 | 64): boolean {
  const view = new DataView(image.buffer, image.byteOffset, FXSAVE_SIZE);
  const mxcsr = view.getUint32(24, true);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  cpu.set32(OFF.FCW, view.getUint16(0, true));
  cpu.set32(OFF.FSW, view.getUint16(2, true));
  cpu.set32(OFF.FOP, view.getUint16(6, true));
  cpu.set64(OFF.FIP, bits === 64 ? view.getBigUint64(8, true) : BigInt(view.getUint32(8, true)));
  cpu.set64(OFF.FDP, bits === 64 ? view.getBigUint64(16, true) : BigInt(view.getUint32(16, true)));
  if (bits === 32) loadSelectors(cpu, view.getUint16(12, true), view.getUint16(20, true));
  else loadSelectors(cpu, 0, 0);
  cpu.set32(OFF.MXCSR, mxcsr);
  const full = [0, 1, 2, 3, 4, 5, 6, 7].map((physical) => {
    const bytes = image.subarray(
      REGISTERS + ((physical - top(cpu)) & 7) * 16,
      REGISTERS + ((physical - top(cpu)) & 7) * 16 + 10,
    );
    cpu.core.u8.set(bytes, cpu.base + OFF.X87 + physical * 16);
    return (image[4]! >> physical) & 1 ? fullTag(bytes) : TAG_EMPTY;
  });
  cpu.set32(
    OFF.FTW,
    full.reduce((word, tag, i) => word | (tag << (i * 2)), 0),
  );
  for (let i = 0; i < registersOf(bits); i++)
    cpu.core.u8.set(image.subarray(XMM + i * 16, XMM + i * 16 + 16), cpu.base + OFF.YMM + i * 32);
  return true;
}

/** The state a signal handler starts with, and a program: FNINIT's, MXCSR's default, zeroed registers. */
export function clearFpu(cpu: Cpu): void {
  clearX87(cpu);
  cpu.set32(OFF.MXCSR, MXCSR_DEFAULT);
  clearSse(cpu);
  clearUpper(cpu);
}

function clearX87(cpu: Cpu): void {
  cpu.set32(OFF.FCW, 0x37f);
  cpu.set32(OFF.FSW, 0);
  cpu.set32(OFF.FTW, 0xffff);
  cpu.set32(OFF.FOP, 0);
  cpu.set64(OFF.FIP, 0n);
  cpu.set64(OFF.FDP, 0n);
  cpu.set32(OFF.FCS, 0);
  cpu.set32(OFF.FDS, 0);
  cpu.core.u8.fill(0, cpu.base + OFF.X87, cpu.base + OFF.X87 + 128);
}

function clearSse(cpu: Cpu): void {
  for (let i = 0; i < 16; i++) stateBytes(cpu, OFF.YMM + i * 32, 16).fill(0);
}

function clearUpper(cpu: Cpu): void {
  for (let i = 0; i < 16; i++) stateBytes(cpu, OFF.YMM + i * 32 + 16, 16).fill(0);
}

/** struct fregs_state as save_fsave_header() makes it: FSAVE's protected mode image, upper halves of the words ones. */
export function fsaveHeader(cpu: Cpu, userCs: number): Uint8Array {
  const high = 0xffff0000;
  const view = FPREGS_32.make({
    cw: cpu.get32(OFF.FCW) | high,
    sw: cpu.get32(OFF.FSW) | high,
    tag: cpu.get32(OFF.FTW) | high,
    ipoff: Number(cpu.get64(OFF.FIP) & 0xffff_ffffn),
    cssel: userCs | ((cpu.get32(OFF.FOP) & 0x7ff) << 16),
    dataoff: Number(cpu.get64(OFF.FDP) & 0xffff_ffffn),
    datasel: high | cpu.selector(SEG.DS),
    status: cpu.get32(OFF.FSW),
    magic: X86_FXSR_MAGIC,
  });
  for (let i = 0; i < 8; i++) view.region("st").set(x87Bytes(cpu, (top(cpu) + i) & 7), i * 10);
  return view.bytes.slice(0, FREGS_SIZE);
}

/** convert_to_fxsr(): in a 32-bit frame the older image is what counts for the x87 part. */
export function loadFsaveHeader(cpu: Cpu, bytes: Uint8Array): void {
  const view = FPREGS_32.at(bytes);
  cpu.set32(OFF.FCW, view.get("cw") & 0xffff);
  cpu.set32(OFF.FSW, view.get("sw") & 0xffff);
  cpu.set32(OFF.FTW, view.get("tag") & 0xffff);
  cpu.set32(OFF.FOP, (view.get("cssel") >>> 16) & 0x7ff);
  cpu.set64(OFF.FIP, view.big("ipoff"));
  cpu.set64(OFF.FDP, view.big("dataoff"));
  const st = view.region("st");
  for (let i = 0; i < 8; i++) {
    const physical = (top(cpu) + i) & 7;
    cpu.core.u8.set(st.subarray(i * 10, i * 10 + 10), cpu.base + OFF.X87 + physical * 16);
  }
}

function abridgedTags(cpu: Cpu): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) if (tagOfRegister(cpu, i) !== TAG_EMPTY) tags |= 1 << i;
  return tags;
}

/** 0 valid, 1 zero, 2 special: from the register's bits. */
function fullTag(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
  const exponent = view.getUint16(8, true) & 0x7fff;
  const mantissa = view.getBigUint64(0, true);
  if (exponent === 0 && mantissa === 0n) return 1;
  return exponent === 0 || exponent === 0x7fff || mantissa >> 63n === 0n ? 2 : 0;
}

const stateBytes = (cpu: Cpu, offset: number, length: number): Uint8Array =>
  cpu.core.u8.subarray(cpu.base + offset, cpu.base + offset + length);
const x87Bytes = (cpu: Cpu, physical: number): Uint8Array => stateBytes(cpu, OFF.X87 + physical * 16, 10);
