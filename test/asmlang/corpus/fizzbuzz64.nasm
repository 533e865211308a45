; Fizz and buzz by a table that the preprocessor makes.
bits 64
global _start
section .data
line:
%assign n 1
%rep 100
  %if n % 15 == 0
        db "FizzBuzz "
  %elif n % 3 == 0
        db "Fizz "
  %elif n % 5 == 0
        db "Buzz "
  %else
        %defstr digits n
        db digits, ' '
  %endif
  %if n >= 15
    %exitrep
  %endif
  %assign n n+1
%endrep
        db 10
.end:
section .text
_start: mov eax, 1
        mov edi, eax
        mov rsi, line
        mov edx, line.end - line
        syscall
        mov eax, 60
        xor edi, edi
        syscall
section .note.GNU-stack noalloc noexec nowrite progbits
