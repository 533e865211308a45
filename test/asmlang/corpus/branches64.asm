; Branches that are short, that grow, and that push each other over the edge.
bits 64
global _start
section .text
_start: xor edi, edi
        jmp a
        times 100 nop
back:   inc edi
        cmp edi, 3
        jne forward
        jmp done
        times 20 nop
a:      jmp back
        times 90 nop
forward:
        jrcxz near_by
near_by: call sub_
        jmp strict near back
sub_:   ret
        times 300 int3
done:   jmp short .x
.x:     mov eax, 60
        syscall
%assign distance done - _start
        dw distance
        times ((done - _start) > 256) nop
section .note.GNU-stack noalloc noexec nowrite progbits
