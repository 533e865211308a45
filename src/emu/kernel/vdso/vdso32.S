# The 32-bit vDSO: a whole ELF shared object, headers and dynamic tables included, as one section that is the file.
# Every address below is an offset from vdso_start, so that nothing is left to relocate.
#
# VDSO_ENTRY says how __kernel_vsyscall enters the kernel: 0 int $0x80, 1 SYSENTER, 2 SYSCALL. As in Linux 6.1 the fast instruction
# stands before int $0x80 and all three images have the same addresses: a fast call returns to the instruction after int $0x80, and
# one that is restarted goes two bytes back, to int $0x80 itself.

	.set	NR_time, 13
	.set	NR_gettimeofday, 78
	.set	NR_sigreturn, 119
	.set	NR_rt_sigreturn, 173
	.set	NR_clock_gettime, 265
	.set	NR_clock_getres, 266
	.set	NR_getcpu, 318
	.set	NR_clock_gettime64, 403

# The file is two pages: this section, and after it .eh_frame.
	.set	FILE_SIZE, 8192

	.code32
	.section .text, "ax"
	.balign	4096
vdso_start:
# ---- ELF header
	.byte	0x7f, 'E', 'L', 'F'
	.byte	1, 1, 1, 0			# ELFCLASS32, little-endian, version 1, System V
	.fill	8, 1, 0
	.short	3				# ET_DYN
	.short	3				# EM_386
	.long	1
	.long	__kernel_vsyscall - vdso_start	# e_entry, what AT_SYSINFO points at
	.long	phdr - vdso_start		# e_phoff
	.long	0				# e_shoff: no section headers
	.long	0
	.short	52, 32, 5, 40, 0, 0		# ehsize, phentsize, phnum, shentsize, shnum, shstrndx

# ---- program headers: type, offset, vaddr, paddr, filesz, memsz, flags, align
phdr:
	.long	1, 0, 0, 0, FILE_SIZE, FILE_SIZE, 5, 4096
	.long	2, dynamic - vdso_start, dynamic - vdso_start, dynamic - vdso_start, dynamic_end - dynamic, dynamic_end - dynamic, 4, 4
	.long	4, note - vdso_start, note - vdso_start, note - vdso_start, note_end - note, note_end - note, 4, 4
	.long	0x6474e551, 0, 0, 0, 0, 0, 4, 16
	.long	0x6474e550, eh_frame_hdr - vdso_start, eh_frame_hdr - vdso_start, eh_frame_hdr - vdso_start, 8, 8, 4, 4

# ---- DT_HASH with one bucket: a single chain through all symbols, so that no hash has to be worked out
	.balign	4
hash:
	.long	1, 10				# nbucket, nchain
	.long	1				# the bucket starts at symbol 1
	.long	0, 2, 3, 4, 5, 6, 7, 8, 9, 0	# next of each symbol

# ---- dynamic symbols: name, value, size, info (global function), other, section
	.balign	4
dynsym:
	.long	0, 0, 0
	.byte	0, 0
	.short	0
	.long	name_vsyscall - dynstr, __kernel_vsyscall - vdso_start, vsyscall_end - __kernel_vsyscall
	.byte	0x12, 0
	.short	1
	.long	name_sigreturn - dynstr, __kernel_sigreturn - vdso_start, sigreturn_end - __kernel_sigreturn
	.byte	0x12, 0
	.short	1
	.long	name_rt_sigreturn - dynstr, __kernel_rt_sigreturn - vdso_start, rt_sigreturn_end - __kernel_rt_sigreturn
	.byte	0x12, 0
	.short	1
	.long	name_clock_gettime - dynstr, __vdso_clock_gettime - vdso_start, clock_gettime_end - __vdso_clock_gettime
	.byte	0x12, 0
	.short	1
	.long	name_gettimeofday - dynstr, __vdso_gettimeofday - vdso_start, gettimeofday_end - __vdso_gettimeofday
	.byte	0x12, 0
	.short	1
	.long	name_time - dynstr, __vdso_time - vdso_start, time_end - __vdso_time
	.byte	0x12, 0
	.short	1
	.long	name_clock_gettime64 - dynstr, __vdso_clock_gettime64 - vdso_start, clock_gettime64_end - __vdso_clock_gettime64
	.byte	0x12, 0
	.short	1
	.long	name_clock_getres - dynstr, __vdso_clock_getres - vdso_start, clock_getres_end - __vdso_clock_getres
	.byte	0x12, 0
	.short	1
	.long	name_getcpu - dynstr, __vdso_getcpu - vdso_start, getcpu_end - __vdso_getcpu
	.byte	0x12, 0
	.short	1

dynstr:
	.byte	0
name_vsyscall:
	.asciz	"__kernel_vsyscall"
name_sigreturn:
	.asciz	"__kernel_sigreturn"
name_rt_sigreturn:
	.asciz	"__kernel_rt_sigreturn"
name_clock_gettime:
	.asciz	"__vdso_clock_gettime"
name_gettimeofday:
	.asciz	"__vdso_gettimeofday"
name_time:
	.asciz	"__vdso_time"
name_clock_gettime64:
	.asciz	"__vdso_clock_gettime64"
name_clock_getres:
	.asciz	"__vdso_clock_getres"
name_getcpu:
	.asciz	"__vdso_getcpu"
name_soname:
	.asciz	"linux-gate.so.1"
name_linux_2_5:
	.asciz	"LINUX_2.5"
name_linux_2_6:
	.asciz	"LINUX_2.6"
dynstr_end:

# ---- symbol versions: one entry a symbol, and the definitions
	.balign	2
versym:
	.short	0, 2, 2, 2, 3, 3, 3, 3, 3, 3
	.balign	4
verdef:
	.short	1, 1, 1, 1			# version, VER_FLG_BASE, index 1, one name
	.long	0x0fcef091			# ELF hash of the soname
	.long	20, 28				# offsets of the name, of the next definition
	.long	name_soname - dynstr, 0
	.short	1, 0, 2, 1
	.long	0x03ae75f5			# ELF hash of "LINUX_2.5"
	.long	20, 28
	.long	name_linux_2_5 - dynstr, 0
	.short	1, 0, 3, 1
	.long	0x03ae75f6			# ELF hash of "LINUX_2.6"
	.long	20, 0
	.long	name_linux_2_6 - dynstr, 0

	.balign	4
dynamic:
	.long	14, name_soname - dynstr	# DT_SONAME
	.long	4, hash - vdso_start		# DT_HASH
	.long	5, dynstr - vdso_start		# DT_STRTAB
	.long	6, dynsym - vdso_start		# DT_SYMTAB
	.long	10, dynstr_end - dynstr		# DT_STRSZ
	.long	11, 16				# DT_SYMENT
	.long	0x6ffffffc, verdef - vdso_start	# DT_VERDEF
	.long	0x6ffffffd, 3			# DT_VERDEFNUM
	.long	0x6ffffff0, versym - vdso_start	# DT_VERSYM
	.long	0, 0
dynamic_end:

	.balign	4
note:
	.long	6, 4, 0				# name and description sizes, type: LINUX_VERSION_CODE
	.asciz	"Linux"
	.balign	4
	.long	0x060100
note_end:

# ---- .eh_frame_hdr without a search table: version 1, where .eh_frame is (from here, 4 bytes signed), neither count nor table
	.balign	4
eh_frame_hdr:
	.byte	1, 0x1b, 0xff, 0xff
	.long	eh_frame - .

# ---- __kernel_vsyscall: eax = number, ebx ecx edx esi edi ebp = arguments, as for int $0x80
	.balign	16
	.globl	__kernel_vsyscall
	.type	__kernel_vsyscall, @function
__kernel_vsyscall:
	.cfi_startproc
	push	%ecx				# SYSENTER and SYSCALL lose ecx, edx or both
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset ecx, 0
	push	%edx
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset edx, 0
	push	%ebp				# the kernel fetches the sixth argument from here
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset ebp, 0
	.if	VDSO_ENTRY == 1
	mov	%esp, %ebp			# ... and finds the stack by it
	sysenter
	.elseif	VDSO_ENTRY == 2
	mov	%ecx, %ebp			# SYSCALL puts eip into ecx
	syscall
	.else
	.fill	4, 1, 0x90
	.endif
	int	$0x80
	.globl	int80_landing_pad
int80_landing_pad:
	pop	%ebp
	.cfi_restore ebp
	.cfi_adjust_cfa_offset -4
	pop	%edx
	.cfi_restore edx
	.cfi_adjust_cfa_offset -4
	pop	%ecx
	.cfi_restore ecx
	.cfi_adjust_cfa_offset -4
	ret
	.cfi_endproc
vsyscall_end:

# ---- signal trampolines: the handler's return address, with the frame on the stack. The interrupted registers lie in the
# sigcontext at esp + \context: the frame's CFA is the interrupted esp itself (DW_CFA_def_cfa_expression: breg4, deref), every other
# register an expression of its own (DW_CFA_expression: breg4). Offsets are signed LEB128 in two bytes.
	.macro	in_context register, offset
	.cfi_escape 0x10, \register, 3, 0x74, 0x80 | ((\offset) & 0x7f), (\offset) >> 7
	.endm
	.macro	interrupted context
	.cfi_escape 0x0f, 4, 0x74, 0x80 | ((\context + 28) & 0x7f), (\context + 28) >> 7, 0x06
	in_context 0, "\context + 44"		# eax
	in_context 1, "\context + 40"		# ecx
	in_context 2, "\context + 36"		# edx
	in_context 3, "\context + 32"		# ebx
	in_context 5, "\context + 24"		# ebp
	in_context 6, "\context + 20"		# esi
	in_context 7, "\context + 16"		# edi
	in_context 8, "\context + 56"		# eip
	.endm

	.balign	16
	nop					# unwinders look at the byte before a return address
	.balign	16
	.globl	__kernel_sigreturn
	.type	__kernel_sigreturn, @function
__kernel_sigreturn:
	.cfi_startproc
	.cfi_signal_frame
	interrupted 4
	pop	%eax				# the handler's argument
	interrupted 0
	mov	$NR_sigreturn, %eax
	int	$0x80
	.globl	vdso32_sigreturn_landing_pad
vdso32_sigreturn_landing_pad:
	nop
	.cfi_endproc
sigreturn_end:

	.balign	16
	.globl	__kernel_rt_sigreturn
	.type	__kernel_rt_sigreturn, @function
__kernel_rt_sigreturn:
	.cfi_startproc
	.cfi_signal_frame
	interrupted 160
	mov	$NR_rt_sigreturn, %eax
	int	$0x80
	.globl	vdso32_rt_sigreturn_landing_pad
vdso32_rt_sigreturn_landing_pad:
	nop
	.cfi_endproc
rt_sigreturn_end:

# ---- time, with C's calling convention: arguments on the stack, ebx is the caller's
	.balign	16
	.globl	__vdso_clock_gettime
	.type	__vdso_clock_gettime, @function
__vdso_clock_gettime:
	.cfi_startproc
	mov	$NR_clock_gettime, %eax
	jmp	two_arguments
	.cfi_endproc
clock_gettime_end:

	.balign	16
	.globl	__vdso_gettimeofday
	.type	__vdso_gettimeofday, @function
__vdso_gettimeofday:
	.cfi_startproc
	mov	$NR_gettimeofday, %eax
	jmp	two_arguments
	.cfi_endproc
gettimeofday_end:

	.balign	16
	.globl	__vdso_time
	.type	__vdso_time, @function
__vdso_time:
	.cfi_startproc
	mov	$NR_time, %eax
	jmp	two_arguments
	.cfi_endproc
time_end:

	.balign	16
	.globl	__vdso_clock_gettime64
	.type	__vdso_clock_gettime64, @function
__vdso_clock_gettime64:
	.cfi_startproc
	mov	$NR_clock_gettime64, %eax
	jmp	two_arguments
	.cfi_endproc
clock_gettime64_end:

	.balign	16
	.globl	__vdso_clock_getres
	.type	__vdso_clock_getres, @function
__vdso_clock_getres:
	.cfi_startproc
	mov	$NR_clock_getres, %eax
	jmp	two_arguments
	.cfi_endproc
clock_getres_end:

	.balign	16
	.globl	__vdso_getcpu
	.type	__vdso_getcpu, @function
__vdso_getcpu:
	.cfi_startproc
	mov	$NR_getcpu, %eax		# the third argument is long unused
	jmp	two_arguments
	.cfi_endproc
getcpu_end:

	.balign	16
two_arguments:
	.cfi_startproc
	push	%ebx
	.cfi_adjust_cfa_offset 4
	.cfi_rel_offset ebx, 0
	mov	8(%esp), %ebx
	mov	12(%esp), %ecx
	int	$0x80
	pop	%ebx
	.cfi_restore ebx
	.cfi_adjust_cfa_offset -4
	ret
	.cfi_endproc

	.balign	16
vdso_end:

	.section .eh_frame, "a", @progbits
eh_frame:
