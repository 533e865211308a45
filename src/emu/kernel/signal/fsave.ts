/** FSAVE's image made from FXSAVE's and back (arch/x86/kernel/fpu/regset.c): the older one has a tag word in full, the newer one a bit each. */
import { FPREGS_32, FXSAVE_SIZE } from "../abi/sigcontext.ts";

const USER_I387_32 = 108;
const REGISTERS = 32;
const TAG = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;
const HIGH = 0xffff_0000;

const topOf = (statusWord: number): number => (statusWord >> 11) & 7;

function tagOf(register: Uint8Array): number {
  const view = new DataView(register.buffer, register.byteOffset, 10);
  const exponent = view.getUint16(8, true) & 0x7fff;
  const mantissa = view.getBigUint64(0, true);
  if (exponent === 0x7fff) return TAG.SPECIAL;
  if (exponent === 0) return mantissa === 0n ? TAG.ZERO : TAG.SPECIAL;
  return mantissa >> 63n === 1n ? TAG.VALID : TAG.SPECIAL;
}

/** twd_fxsr_to_i387(). */
function fullTags(image: Uint8Array, statusWord: number): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const start = REGISTERS + ((i - topOf(statusWord)) & 7) * 16;
    const tag = (image[4]! >> i) & 1 ? tagOf(image.subarray(start, start + 10)) : TAG.EMPTY;
    tags |= tag << (i * 2);
  }
  return tags | HIGH;
}

/** convert_from_fxsr() on the 64-bit kernel, which has no segments of the last x87 instruction: the present CS stands in. */
export function fsaveOfImage(image: Uint8Array, cs: number): Uint8Array {
  const fx = new DataView(image.buffer, image.byteOffset, FXSAVE_SIZE);
  const status = fx.getUint16(2, true);
  const view = FPREGS_32.make({
    cw: fx.getUint16(0, true) | HIGH,
    sw: status | HIGH,
    tag: fullTags(image, status),
    ipoff: fx.getUint32(8, true),
    cssel: cs,
    dataoff: fx.getUint32(16, true),
    datasel: HIGH,
  });
  for (let i = 0; i < 8; i++)
    view.region("st").set(image.subarray(REGISTERS + i * 16, REGISTERS + i * 16 + 10), i * 10);
  return view.bytes.slice(0, USER_I387_32);
}

/** convert_to_fxsr(): the rest of `image` stays. */
export function imageOfFsave(image: Uint8Array, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(FPREGS_32.size);
  whole.set(bytes.subarray(0, USER_I387_32));
  const view = FPREGS_32.at(whole);
  const result = image.slice();
  const fx = new DataView(result.buffer);
  fx.setUint16(0, view.get("cw") & 0xffff, true);
  fx.setUint16(2, view.get("sw") & 0xffff, true);
  const tags = view.get("tag");
  let abridged = 0;
  for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== TAG.EMPTY) abridged |= 1 << i;
  result[4] = abridged;
  fx.setUint16(6, view.get("cssel") >>> 16, true);
  fx.setBigUint64(8, view.big("ipoff"), true);
  fx.setBigUint64(16, view.big("dataoff"), true);
  for (let i = 0; i < 8; i++) result.set(view.region("st").subarray(i * 10, i * 10 + 10), REGISTERS + i * 16);
  return result;
}
