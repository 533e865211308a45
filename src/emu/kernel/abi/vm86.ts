/** The vm86 system calls' structures and codes, i386 only. Source: uapi/asm/vm86.h. */
import { blob, s32, struct, u16, u32 } from "./struct.ts";

/** What a vm86() result says: low byte the type, the rest its argument. */
export const VM86 = {
  VM86_SIGNAL: 0,
  VM86_UNKNOWN: 1,
  VM86_INTx: 2,
  VM86_STI: 3,
  VM86_PICRETURN: 4,
  VM86_TRAP: 6,
} as const;
export const vm86Result = (type: number, arg: number): number => type | (arg << 8);
/** First argument of vm86() (166); vm86old() (113) has none. */
export const VM86_FUNCTION = {
  VM86_PLUS_INSTALL_CHECK: 0,
  VM86_ENTER: 1,
  VM86_ENTER_NO_BYPASS: 2,
  VM86_REQUEST_IRQ: 3,
  VM86_FREE_IRQ: 4,
  VM86_GET_IRQ_BITS: 5,
  VM86_GET_AND_RESET_IRQ: 6,
} as const;
export const VM86_CPU = { CPU_086: 0, CPU_186: 1, CPU_286: 2, CPU_386: 3, CPU_486: 4, CPU_586: 5 } as const;
export const VM86_SCREEN_BITMAP = 0x0001;

export const VM86_REGS = struct({
  ebx: u32,
  ecx: u32,
  edx: u32,
  esi: u32,
  edi: u32,
  ebp: u32,
  eax: u32,
  __null_ds: s32,
  __null_es: s32,
  __null_fs: s32,
  __null_gs: s32,
  orig_eax: s32,
  eip: u32,
  cs: u16,
  __csh: u16,
  eflags: u32,
  esp: u32,
  ss: u16,
  __ssh: u16,
  es: u16,
  __esh: u16,
  ds: u16,
  __dsh: u16,
  fs: u16,
  __fsh: u16,
  gs: u16,
  __gsh: u16,
});

/** revectored_struct: 256 bits, one an interrupt number. */
export const REVECTORED_SIZE = 32;
const common = {
  regs: VM86_REGS,
  flags: u32,
  screen_bitmap: u32,
  cpu_type: u32,
  int_revectored: blob(REVECTORED_SIZE, 4),
  int21_revectored: blob(REVECTORED_SIZE, 4),
};
export const VM86_STRUCT = struct(common);
export const VM86PLUS_INFO = struct({ flags: u32, vm86dbg_intxxtab: blob(32) });
export const VM86PLUS_STRUCT = struct({ ...common, vm86plus: VM86PLUS_INFO });
/** Bit fields of VM86PLUS_INFO.flags. */
export const VM86PLUS = {
  force_return_for_pic: 1,
  vm86dbg_active: 2,
  vm86dbg_TFpendig: 4,
  is_vm86pus: 0x80000000,
} as const;

export const isRevectored = (bitmap: Uint8Array, nr: number): boolean => ((bitmap[nr >> 3]! >> (nr & 7)) & 1) !== 0;
