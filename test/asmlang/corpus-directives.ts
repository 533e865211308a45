/** Every directive and feature that the corpus must use, as it is written in a source. */

const word = (text: string): RegExp =>
  new RegExp(`(?<![\\w.%])${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w.])`, "i");

export const GNU_DIRECTIVES: readonly RegExp[] = [
  ...".section .pushsection .popsection .previous .subsection .text .data .bss .globl .global .local .weak .hidden .internal .protected .type .size .comm .lcomm .set .equ .equiv .eqv .org .align .balign .balignw .p2align .p2alignl .skip .fill .space .zero .nops".split(
    " ",
  ),
  ...".byte .2byte .4byte .8byte .short .hword .value .word .long .int .quad .octa .float .single .double .tfloat .hfloat .bfloat16 .uleb128 .sleb128 .ascii .asciz .string .string16 .string32 .incbin .include".split(
    " ",
  ),
  ...".macro .endm .exitm .purgem .irp .irpc .rept .endr .altmacro .noaltmacro .if .ifdef .ifndef .ifnotdef .ifb .ifnb .ifc .ifnc .ifeq .ifne .ifeqs .ifnes .ifge .ifgt .ifle .iflt .elseif .else .endif .err".split(
    " ",
  ),
  ...".code16 .code16gcc .code32 .intel_syntax .att_syntax .file .loc .ident".split(" "),
  ...".cfi_startproc .cfi_endproc .cfi_sections .cfi_personality .cfi_lsda .cfi_def_cfa .cfi_def_cfa_offset .cfi_def_cfa_register .cfi_adjust_cfa_offset .cfi_offset .cfi_rel_offset .cfi_val_offset .cfi_register .cfi_restore .cfi_undefined .cfi_same_value .cfi_remember_state .cfi_restore_state .cfi_return_column .cfi_signal_frame .cfi_window_save .cfi_escape".split(
    " ",
  ),
]
  .map(word)
  .concat([
    /\w+\s+\w+:req/,
    /\w+:vararg/,
    /\.macro\s+\w+ \w+=/,
    /\\@/,
    /\\\(\)/,
    /\.intel_syntax noprefix/,
    /\.intel_syntax prefix/,
    /\.att_syntax noprefix/,
    /^\s*1:/m,
    /\b1b\b/,
    /\b1f\b/,
    /^\w+ = /m,
    /^#define/m,
    /^#if /m,
    /^#ifdef/m,
    /^#ifndef/m,
    /^#else/m,
    /# error/,
    /#include/,
    /@PLT/i,
    /@GOTPCREL/i,
    /@tpoff/i,
    /@gottpoff/i,
    /"awT"/,
    /"aMS", @progbits, 1/,
    /@init_array/,
    /@nobits/,
    /\.byte\s+.*\w - \w/,
    /\.long\s+\w+ - \w+/,
  ]);

/** `seg` is not here: neither a flat file nor ELF has anything for it to say. */
export const NASM_DIRECTIVES: readonly RegExp[] = [
  ..."bits use16 use32 default section segment global extern common static equ times incbin align alignb sectalign struc endstruc istruc iend absolute org cpu strict nosplit wrt dup".split(
    " ",
  ),
  ..."db dw dd dq dt do resb resw resd resq rest reso resy resz byte word dword qword tword short near far rel abs a16 a32 o16 o32 lock rep repe repne xacquire xrelease bnd".split(
    " ",
  ),
]
  .map(word)
  .concat(
    ..."%define %idefine %xdefine %undef %assign %strlen %strcat %substr %defstr %deftok %macro %imacro %endmacro %unmacro %exitmacro %rotate %rep %endrep %exitrep %if %ifn %ifdef %ifndef %ifmacro %ifctx %ifidn %ifidni %ifnidn %ifid %ifnum %ifstr %iftoken %ifempty %elif %elifctx %elifidni %elifnum %else %endif %include %push %pop %repl %error %warning %use %pragma %stacksize %arg %local"
      .split(" ")
      .map((name) => new RegExp(`${name}(?!\\w)`, "i")),
    [
      /%macro\s+\w+ \d-\*/,
      /%macro\s+\w+ \d\+/,
      /%macro\s+\w+ \d-\d /,
      /%%\w/,
      /%0/,
      /%00/,
      /%-1/,
      /%\{\d:-?\d\}/,
      /%\+/,
      /%\[/,
      /%\$\w/,
      /%eval\(/,
      /%str\(/,
      /%strcat\(/,
      /^\.\w+:/m,
      /\$\$/,
      /(?<!\$)\$(?!\$)/,
      /follows=/,
      /vfollows=/,
      /vstart=/,
      /align=/,
      /\bnobits\b|section \.bss/,
      /noalloc noexec nowrite/,
      /\bmerge strings\b/,
      /\btls\b/,
      /:function/,
      /:data/,
      /\bhidden\b/,
      /:weak/,
      /\.\.got\b/,
      /\.\.plt\b/,
      /\.\.gottpoff/,
      /__utf16__/,
      /__utf32__/,
      /__float16__/,
      /__float32__/,
      /__float64__|__\?float64\?__/,
      /__Infinity__/,
      /__NaN__|__QNaN__|__\?QNaN\?__/,
      /__LINE__/,
      /__\?BITS\?__/,
      /default rel/,
      /default abs/,
      /`[^`\n]*\\n`/,
      /section\.\w+\.start/,
      /\{vex3\}/,
    ],
  );
