; Everything that a linker sees: visibility, sizes, common and weak symbols, the GOT, thread-local data.
        bits    64
        default rel
        global  _start, table:data (table.end - table), hook:function weak, inner:function hidden
        static  quiet
        extern  absent:weak
        common  pool 64:16
        extern  _GLOBAL_OFFSET_TABLE_
        section .tdata tls align=8
        global var
var:    dq      5
        section .data.rel write align=8
table:  dq      _start, inner, quiet
.end:
        section .rodata.str progbits alloc noexec nowrite merge strings align=1 strings
        db      "merged", 0
        section .text
quiet:  ret
hook:   mov     eax, 2
        ret
inner:  mov     eax, 3
        ret
_start: call    hook
        mov     edi, eax
        call    inner
        add     edi, eax
        mov     rax, [rel table wrt ..got]
        mov     rax, [rax + 8]
        call    rax
        add     edi, eax
        mov     rax, [rel absent wrt ..got]
        cmp     rax, 1
        adc     edi, 0
        mov     dword [pool + 4], 1
        add     edi, [pool + 4]
        mov     rcx, [rel var wrt ..gottpoff]
        lea     rdx, [rel $$]
        mov     eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
