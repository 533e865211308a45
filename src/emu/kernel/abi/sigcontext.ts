/**
 * What a signal handler finds on its stack: sigcontext, ucontext and the three frames, with the placement of the FPU state above them.
 * Sources: uapi/asm/sigcontext.h, asm/sigframe.h, asm/ia32.h, uapi/asm-generic/ucontext.h, asm/fpu/signal.h, kernel/signal.c of arch/x86.
 */
import { SIGINFO_SIZE } from "./siginfo.ts";
import { STACK_T_32, STACK_T_64 } from "./signal.ts";
import { blob, compat_u64, roundDown, s32, struct, u16, u32, u64 } from "./struct.ts";

/** End of every FXSAVE image in a frame: says whether an XSAVE area follows. */
export const FPX_SW_BYTES = struct({
  magic1: u32,
  extended_size: u32,
  xfeatures: compat_u64,
  xstate_size: u32,
  padding: blob(28),
});
export const FP_XSTATE_MAGIC1 = 0x46505853;
export const FP_XSTATE_MAGIC2 = 0x46505845;
/** It follows the XSAVE area. */
export const XSTATE_MAGIC2_SIZE = 4;
/** Offset of FPX_SW_BYTES in the FXSAVE image. */
export const FPX_SW_OFFSET = 464;
export const FXSAVE_SIZE = 512;
/** struct fregs_state: the legacy x87 image that precedes the FXSAVE one in 32-bit frames, status and magic words included. */
export const FREGS_SIZE = 112;
/** struct _fpstate_32: legacy image and FXSAVE image. */
export const FPSTATE_32_SIZE = FREGS_SIZE + FXSAVE_SIZE;
export const X86_FXSR_MAGIC = 0x0000;

export const FPREGS_32 = struct({
  cw: u32,
  sw: u32,
  tag: u32,
  ipoff: u32,
  cssel: u32,
  dataoff: u32,
  datasel: u32,
  st: blob(80),
  status: u16,
  magic: u16,
});

export const SIGCONTEXT_64 = struct({
  r8: u64,
  r9: u64,
  r10: u64,
  r11: u64,
  r12: u64,
  r13: u64,
  r14: u64,
  r15: u64,
  di: u64,
  si: u64,
  bp: u64,
  bx: u64,
  dx: u64,
  ax: u64,
  cx: u64,
  sp: u64,
  ip: u64,
  flags: u64,
  cs: u16,
  gs: u16,
  fs: u16,
  ss: u16,
  err: u64,
  trapno: u64,
  oldmask: u64,
  cr2: u64,
  fpstate: u64,
  reserved1: blob(64),
});

export const SIGCONTEXT_32 = struct({
  gs: u16,
  __gsh: u16,
  fs: u16,
  __fsh: u16,
  es: u16,
  __esh: u16,
  ds: u16,
  __dsh: u16,
  di: u32,
  si: u32,
  bp: u32,
  sp: u32,
  bx: u32,
  dx: u32,
  cx: u32,
  ax: u32,
  trapno: u32,
  err: u32,
  ip: u32,
  cs: u16,
  __csh: u16,
  flags: u32,
  sp_at_signal: u32,
  ss: u16,
  __ssh: u16,
  fpstate: u32,
  oldmask: u32,
  cr2: u32,
});

export const UC_FP_XSTATE = 1;
export const UC_SIGCONTEXT_SS = 2;
export const UC_STRICT_RESTORE_SS = 4;

export const UCONTEXT_64 = struct({
  uc_flags: u64,
  uc_link: u64,
  uc_stack: STACK_T_64,
  uc_mcontext: SIGCONTEXT_64,
  uc_sigmask: u64,
});
export const UCONTEXT_32 = struct({
  uc_flags: u32,
  uc_link: u32,
  uc_stack: STACK_T_32,
  uc_mcontext: SIGCONTEXT_32,
  uc_sigmask: compat_u64,
});
export const UCONTEXT_X32 = struct({
  uc_flags: u32,
  uc_link: u32,
  uc_stack: STACK_T_32,
  uc__pad0: u32,
  uc_mcontext: SIGCONTEXT_64,
  uc_sigmask: u64,
});

export const RT_SIGFRAME_64 = struct({ pretcode: u64, uc: UCONTEXT_64, info: blob(SIGINFO_SIZE, 8) });
export const RT_SIGFRAME_X32 = struct({ pretcode: u64, uc: UCONTEXT_X32, info: blob(SIGINFO_SIZE, 4) });
/** Old-style frame: handler called as f(sig) with the context as further stack arguments. */
export const SIGFRAME_IA32 = struct({
  pretcode: u32,
  sig: s32,
  sc: SIGCONTEXT_32,
  fpstate_unused: blob(FPSTATE_32_SIZE, 4),
  extramask: u32,
  retcode: blob(8),
});
export const RT_SIGFRAME_IA32 = struct({
  pretcode: u32,
  sig: s32,
  pinfo: u32,
  puc: u32,
  info: blob(SIGINFO_SIZE, 4),
  uc: UCONTEXT_32,
  retcode: blob(8),
});

/** The code in `retcode`, which nothing runs any more and debuggers look for: popl %eax; movl $119, %eax; int $0x80. */
export const SIGFRAME_RETCODE = Uint8Array.of(0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80);
/** movl $173, %eax; int $0x80; and one byte of nothing. */
export const RT_SIGFRAME_RETCODE = Uint8Array.of(0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0);

/** Flags that a handler's return may set, everything else stays (FIX_EFLAGS): AC OF DF TF SF ZF AF PF CF RF. */
export const FIX_EFLAGS = 0x40000 | 0x800 | 0x400 | 0x100 | 0x80 | 0x40 | 0x10 | 0x4 | 0x1 | 0x10000;

export interface FramePlacement {
  /** Start of the frame structure, which is the handler's stack pointer. */
  readonly frame: number;
  /** For sigcontext.fpstate: start of the FPU state; in 32-bit frames the legacy image. */
  readonly fpstate: number;
  /** The FXSAVE/XSAVE image, 64-byte aligned; equal to fpstate in 64-bit frames. */
  readonly fxstate: number;
}

/**
 * Where frame and FPU state go below `sp` (get_sigframe after the choice of stack, fpu__alloc_mathframe). `sp` already is the alternate
 * stack's top, or the interrupted stack pointer less the red zone. `stateSize`: FXSAVE_SIZE, or the XSAVE area's size plus 4 for magic2.
 * Addresses are canonical or 32-bit, so that plain numbers are exact.
 */
export function placeFrame(sp: number, frameSize: number, stateSize: number, bits: 32 | 64): FramePlacement {
  const fxstate = roundDown(sp - stateSize, 64);
  const fpstate = bits === 32 ? fxstate - FREGS_SIZE : fxstate;
  const below = fpstate - frameSize;
  // On entry to the handler the return address is on the stack, as after a call.
  const frame = bits === 32 ? roundDown(below + 4, 16) - 4 : roundDown(below, 16) - 8;
  return { frame, fpstate, fxstate };
}
