extern foo
extern _GLOBAL_OFFSET_TABLE_
global glob
loc: nop
glob: nop
add ebx, _GLOBAL_OFFSET_TABLE_+$$-$ wrt ..gotpc
mov eax, [ebx+foo wrt ..got]
mov eax, [ebx+glob wrt ..got]
lea eax, [ebx+loc wrt ..gotoff]
lea eax, [ebx+glob wrt ..gotoff]
call foo wrt ..plt
mov eax, [foo wrt ..tlsie]
mov eax, [foo wrt ..tlsie]
mov eax, glob wrt ..sym
section .data
dd glob wrt ..sym
dd foo wrt ..got
dd glob wrt ..gotoff
dd loc wrt ..gotoff
dw foo
db foo
