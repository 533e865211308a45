; Structures, instances, offsets; a list that is walked.
bits 64
struc   node
.next:  resq 1
.value: resd 1
.tag:   resb 4
        alignb 8
.size:
endstruc
struc   wide, 16
.a:     resb 1
.b:     resw 1
.c:     rest 1
.d:     reso 1
.e:     resy 1
.f:     resz 1
endstruc
section .data
        align 16
first:  istruc node
          at node.next,  dq second
          at node.value, dd 30
          at .tag,       db "one"
        iend
second: istruc node
          at .next,  dq third
          at .value, dd 4
        iend
third:  istruc node
        iend
sizes:  db node_size, node.size, wide_size, wide.c, wide.f
global _start
section .text
_start: mov rsi, first
        xor edi, edi
.loop:  add edi, [rsi + node.value]
        mov rsi, [rsi + node.next]
        test rsi, rsi
        jnz .loop
        movzx eax, byte [sizes]
        add edi, eax
        mov eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
