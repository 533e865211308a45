; Floating-point constants in data and as immediates.
bits 64
default rel
global _start
section .rodata align=64
half:   dw 1.5, -0.0, __float16__(2.5)
single: dd 1.0, 3.14159265, -1e-40, __Infinity__, 0x1.8p3
double: dq 1.0, 1e300, __NaN__, __?QNaN?__, __SNaN__, -__Infinity__
tenb:   dt 1.0, 2.718281828459045, 1e-4940
quad:   do 1.0, 1.0e4000
bits32: dd __float32__(6.0)
bits64: dq __float64__(7.0)
section .text
_start: mov eax, __float32__(6.0)
        movd xmm0, eax
        mov rax, __?float64?__(7.0)
        movq xmm1, rax
        cvtss2sd xmm0, xmm0
        mulsd xmm0, xmm1
        cvtsd2si edi, xmm0
        fld tword [tenb]
        fadd dword [single]
        fistp dword [rsp-8]
        add edi, [rsp-8]
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
