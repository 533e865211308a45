; Structured code with contexts: IF/ELSE/ENDIF and REPEAT/UNTIL with condition codes as arguments.
        bits 64
%macro  IF 1
        %push if
        j%-1  %$else
%endmacro
%macro  ELSE 0
  %ifctx if
        %repl else
        jmp   %$end
%$else:
  %else
        %error "ELSE without IF"
  %endif
%endmacro
%macro  ENDIF 0
  %ifctx if
%$else:
  %elifctx else
%$end:
  %else
        %error "ENDIF without IF"
  %endif
        %pop
%endmacro
%macro  REPEAT 0
        %push repeat
%$begin:
%endmacro
%macro  UNTIL 1
        j%-1  %$begin
        %pop repeat
%endmacro
        global _start
        section .text
_start: xor   edi, edi
        mov   ecx, 10
        REPEAT
        test  cl, 1
        IF    z
        add   edi, ecx
        ELSE
        cmp   cl, 5
        IF    ae
        inc   edi
        ENDIF
        ENDIF
        dec   ecx
        UNTIL z
        mov   eax, 60
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
