; One source for three widths: operand and address sizes, far transfers, segments, strict sizes.
        cpu     x64
        use16
        mov     eax, [ebx]
        mov     ax, [bx+si+4]
        jmp     0x1234:0x5678
        jmp     dword 8:label32
        call    far [bx]
        call    dword far [bx]
        push    word 5
        push    dword 5
        push    strict word 5
        mov     ax, strict word 1
        add     word [si], strict byte 5
        add     word [si], strict word 5
        lea     ax, [dword 5]
        mov     ax, [word 5]
        mov     ax, [ss:bp+di]
        es lodsb
        repne   scasb
        jmp     short $
        jmp     near $
        jcxz    $
        jecxz   $
        o32 ret
        a32 lodsw
        db      0xea
        dw      $ - $$, 0
        use32
label32:
        mov     ax, [ebx]
        mov     eax, [byte ebx+4]
        mov     eax, [dword ebx+4]
        mov     eax, [nosplit eax*2]
        mov     eax, [eax*2]
        mov     eax, [eax+eax*2]
        mov     eax, [eax*9]
        mov     eax, [es:ebp+ecx*4-5]
        push    byte 5
        push    dword 5
        jmp     word 8:0x1000
        jmp     near label32
        lock add [edi], eax
        imul    eax, 5
        imul    ecx, [edx], 500
        bits    64
        default abs
        mov     rax, [qword 0x1122334455667788]
        mov     eax, [rel label32]
        default rel
        mov     eax, [label32]
        mov     eax, [abs 0x1000]
        mov     rax, strict dword -1
        mov     rax, -1
        mov     rax, 0x123456789
        push    strict dword 1
        mov     eax, [fs:0x28]
        test    byte [r8+r12*8+5], 1
        xchg    r8, rax
        nop
