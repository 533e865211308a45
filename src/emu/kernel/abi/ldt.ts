/** struct user_desc (modify_ldt, set_thread_area) and its flag word, and the descriptor Linux makes of it. uapi/asm/ldt.h, asm/desc.h, asm/desc_defs.h. */
import { struct, u32 } from "./struct.ts";

export const LDT_ENTRIES = 8192;
export const LDT_ENTRY_SIZE = 8;

export const USER_DESC = struct({ entry_number: u32, base_addr: u32, limit: u32, flags: u32 });

/** Bit fields of USER_DESC.flags. `lm` exists for 64-bit callers only. */
export const USER_DESC_FLAGS = {
  seg_32bit: 1 << 0,
  contents: 3 << 1,
  read_exec_only: 1 << 3,
  limit_in_pages: 1 << 4,
  seg_not_present: 1 << 5,
  useable: 1 << 6,
  lm: 1 << 7,
} as const;

export interface UserDesc {
  entryNumber: number;
  baseAddr: number;
  limit: number;
  seg32bit: boolean;
  /** 0 data, 1 expand-down data, 2 code, 3 conforming code. */
  contents: number;
  readExecOnly: boolean;
  limitInPages: boolean;
  segNotPresent: boolean;
  useable: boolean;
  lm: boolean;
}

export function decodeUserDesc(bytes: Uint8Array): UserDesc {
  const view = USER_DESC.at(bytes);
  const flags = view.get("flags");
  const bit = (mask: number) => (flags & mask) !== 0;
  return {
    entryNumber: view.get("entry_number"),
    baseAddr: view.get("base_addr"),
    limit: view.get("limit"),
    seg32bit: bit(USER_DESC_FLAGS.seg_32bit),
    contents: (flags >> 1) & 3,
    readExecOnly: bit(USER_DESC_FLAGS.read_exec_only),
    limitInPages: bit(USER_DESC_FLAGS.limit_in_pages),
    segNotPresent: bit(USER_DESC_FLAGS.seg_not_present),
    useable: bit(USER_DESC_FLAGS.useable),
    lm: bit(USER_DESC_FLAGS.lm),
  };
}

export function encodeUserDesc(desc: UserDesc): Uint8Array {
  const flags =
    Number(desc.seg32bit) |
    (desc.contents << 1) |
    (Number(desc.readExecOnly) << 3) |
    (Number(desc.limitInPages) << 4) |
    (Number(desc.segNotPresent) << 5) |
    (Number(desc.useable) << 6) |
    (Number(desc.lm) << 7);
  return USER_DESC.make({ entry_number: desc.entryNumber, base_addr: desc.baseAddr, limit: desc.limit, flags }).bytes;
}

/** modify_ldt's way of clearing an entry (LDT_empty), and set_thread_area's, which also takes all zeroes (LDT_zero). */
export const ldtEmpty = (d: UserDesc): boolean =>
  d.baseAddr === 0 &&
  d.limit === 0 &&
  d.contents === 0 &&
  d.readExecOnly &&
  !d.seg32bit &&
  !d.limitInPages &&
  d.segNotPresent &&
  !d.useable;
export const ldtZero = (d: UserDesc): boolean =>
  d.baseAddr === 0 &&
  d.limit === 0 &&
  d.contents === 0 &&
  !d.readExecOnly &&
  !d.seg32bit &&
  !d.limitInPages &&
  !d.segNotPresent &&
  !d.useable;

/** The 8 bytes of the segment descriptor, as two dwords (fill_ldt): DPL 3, accessed, always S=1. `lm` never reaches the descriptor. */
export function fillLdt(d: UserDesc): { low: number; high: number } {
  const type = (d.readExecOnly ? 0 : 2) | (d.contents << 2) | 1;
  const low = ((d.baseAddr & 0xffff) << 16) | (d.limit & 0xffff);
  const high =
    ((d.baseAddr >>> 16) & 0xff) |
    (type << 8) |
    (1 << 12) |
    (3 << 13) |
    (Number(!d.segNotPresent) << 15) |
    (d.limit & 0xf0000) |
    (Number(d.useable) << 20) |
    (Number(d.seg32bit) << 22) |
    (Number(d.limitInPages) << 23) |
    (d.baseAddr & 0xff000000);
  return { low: low >>> 0, high: high >>> 0 };
}
