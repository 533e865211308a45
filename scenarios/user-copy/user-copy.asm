; user-copy: the kernel reads and writes the program's memory, and some of it is not there
;
; The kernel's copies are code like any other: each access may fault. A page that the program may have is found, and the copy goes on;
; where there is none, __ex_table names the place at which the kernel goes on, and what was not copied is counted.
;
; Step through it: set a breakpoint on a `syscall`, switch "step into kernel" on, and go to raw_copy_to_user. Watch AC in RFLAGS.

        bits 64
        global _start

SYS_read        equ 0
SYS_write       equ 1
SYS_lseek       equ 8
SYS_mmap        equ 9
SYS_munmap      equ 11
SYS_exit        equ 60
SYS_memfd_create equ 319

PAGE            equ 4096
PROT_READ_WRITE equ 3
MAP_PRIVATE_ANONYMOUS equ 0x22

        section .text
_start:
        mov     eax, SYS_memfd_create
        lea     rdi, [rel name]
        xor     esi, esi
        syscall
        mov     ebx, eax
        mov     edi, eax
        lea     rsi, [rel text]
        mov     edx, text.size
        mov     eax, SYS_write          ; raw_copy_from_user: all of it
        syscall

        ; a page that nobody has touched yet, and nothing behind it
        mov     eax, SYS_mmap
        xor     edi, edi
        mov     esi, 2 * PAGE
        mov     edx, PROT_READ_WRITE
        mov     r10d, MAP_PRIVATE_ANONYMOUS
        mov     r8, -1
        xor     r9d, r9d
        syscall
        lea     rbp, [rax + PAGE]
        mov     rdi, rbp
        mov     esi, PAGE
        mov     eax, SYS_munmap
        syscall

        lea     rsi, [rbp - 5]          ; five bytes fit
        call    read_all
        mov     r12, rax
        mov     rsi, rbp                ; none does
        call    read_all
        neg     eax

        shl     r12d, 4                 ; 5 and EFAULT: 5 * 16 + 14
        lea     edi, [r12 + rax]
        mov     eax, SYS_exit
        syscall

; read_all: the file from its beginning to rsi
read_all:
        push    rsi
        mov     edi, ebx
        xor     esi, esi
        xor     edx, edx
        mov     eax, SYS_lseek
        syscall
        pop     rsi
        mov     edx, text.size
        mov     eax, SYS_read           ; raw_copy_to_user
        syscall
        ret

        section .data
name:   db      0
text:   db      "sixteen letters!"
.size   equ     $ - text
