extern foo
global glob
loc: nop
glob: nop
mov rax, glob wrt ..sym
mov rax, [glob wrt ..sym]
section .data
dq glob wrt ..sym
dq (glob+4) wrt ..sym
dd foo wrt ..sym
