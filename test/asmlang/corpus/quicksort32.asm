; Quicksort in 32-bit code with a recursive procedure, printed as digits.
bits 32
section .data
array:  db 5, 2, 9, 1, 7, 3, 8, 0, 6, 4
length  equ $ - array
        db 10
section .text
global _start
; esi = first, edi = last
sort:   cmp esi, edi
        jae .done
        push esi
        push edi
        mov al, [edi]
        mov ebx, esi
.scan:  cmp esi, edi
        je .placed
        mov ah, [esi]
        cmp ah, al
        ja .keep
        xchg ah, [ebx]
        mov [esi], ah
        inc ebx
.keep:  inc esi
        jmp .scan
.placed:
        mov ah, [ebx]
        mov [edi], ah
        mov [ebx], al
        mov esi, [esp + 4]
        push ebx
        lea edi, [ebx - 1]
        call sort
        pop ebx
        lea esi, [ebx + 1]
        mov edi, [esp]
        call sort
        pop edi
        pop esi
.done:  ret
_start: mov esi, array
        mov edi, array + length - 1
        call sort
        mov ecx, length
        mov edi, array
.digit: add byte [edi], '0'
        inc edi
        loop .digit
        mov eax, 4
        mov ebx, 1
        mov ecx, array
        mov edx, length + 1
        int 0x80
        mov eax, 1
        xor ebx, ebx
        int 0x80
section .note.GNU-stack noalloc noexec nowrite progbits
