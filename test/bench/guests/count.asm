; counts up in memory, 3 instructions per iteration.  -DBITS=32|64 -DN=iterations
%include "defs.inc"
_start:
    mov  rCX, N
.l: inc  dword [count]
    dec  rCX
    jnz  .l
    mov  eax, [count]
    EXIT_FOLD
section .bss
count: resd 1
