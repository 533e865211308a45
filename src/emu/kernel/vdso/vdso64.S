# The 64-bit vDSO: a whole ELF shared object, headers and dynamic tables included, as one section that is the file.
# Every address below is an offset from vdso_start, so that nothing is left to relocate.
# The functions make the real system call: time here counts instructions, which only the kernel knows.

	.set	NR_gettimeofday, 96
	.set	NR_time, 201
	.set	NR_clock_gettime, 228
	.set	NR_clock_getres, 229
	.set	NR_getcpu, 309

# The file is two pages: this section, and after it .eh_frame.
	.set	FILE_SIZE, 8192

	.code64
	.section .text, "ax"
	.balign	4096
vdso_start:
# ---- ELF header
	.byte	0x7f, 'E', 'L', 'F'
	.byte	2, 1, 1, 0			# ELFCLASS64, little-endian, version 1, System V
	.fill	8, 1, 0
	.short	3				# ET_DYN
	.short	62				# EM_X86_64
	.long	1
	.quad	0				# e_entry
	.quad	phdr - vdso_start		# e_phoff
	.quad	0				# e_shoff: no section headers
	.long	0
	.short	64, 56, 5, 64, 0, 0		# ehsize, phentsize, phnum, shentsize, shnum, shstrndx

# ---- program headers: type, flags, offset, vaddr, paddr, filesz, memsz, align
phdr:
	.long	1, 5				# PT_LOAD, R+X: the whole file
	.quad	0, 0, 0, FILE_SIZE, FILE_SIZE, 4096
	.long	2, 4				# PT_DYNAMIC, R
	.quad	dynamic - vdso_start, dynamic - vdso_start, dynamic - vdso_start, dynamic_end - dynamic, dynamic_end - dynamic, 8
	.long	4, 4				# PT_NOTE, R
	.quad	note - vdso_start, note - vdso_start, note - vdso_start, note_end - note, note_end - note, 4
	.long	0x6474e551, 4			# PT_GNU_STACK: not executable
	.quad	0, 0, 0, 0, 0, 16
	.long	0x6474e550, 4			# PT_GNU_EH_FRAME
	.quad	eh_frame_hdr - vdso_start, eh_frame_hdr - vdso_start, eh_frame_hdr - vdso_start, 8, 8, 4

# ---- DT_HASH with one bucket: a single chain through all symbols, so that no hash has to be worked out
	.balign	8
hash:
	.long	1, 6				# nbucket, nchain
	.long	1				# the bucket starts at symbol 1
	.long	0, 2, 3, 4, 5, 0		# next of each symbol

# ---- dynamic symbols: name, info (global function, weak for the short names), other, section, value, size
	.balign	8
dynsym:
	.long	0
	.byte	0, 0
	.short	0
	.quad	0, 0
	.long	name_clock_gettime - dynstr
	.byte	0x12, 0
	.short	1
	.quad	__vdso_clock_gettime - vdso_start, clock_gettime_end - __vdso_clock_gettime
	.long	name_gettimeofday - dynstr
	.byte	0x12, 0
	.short	1
	.quad	__vdso_gettimeofday - vdso_start, gettimeofday_end - __vdso_gettimeofday
	.long	name_time - dynstr
	.byte	0x12, 0
	.short	1
	.quad	__vdso_time - vdso_start, time_end - __vdso_time
	.long	name_getcpu - dynstr
	.byte	0x12, 0
	.short	1
	.quad	__vdso_getcpu - vdso_start, getcpu_end - __vdso_getcpu
	.long	name_clock_getres - dynstr
	.byte	0x12, 0
	.short	1
	.quad	__vdso_clock_getres - vdso_start, clock_getres_end - __vdso_clock_getres

dynstr:
	.byte	0
name_clock_gettime:
	.asciz	"__vdso_clock_gettime"
name_gettimeofday:
	.asciz	"__vdso_gettimeofday"
name_time:
	.asciz	"__vdso_time"
name_getcpu:
	.asciz	"__vdso_getcpu"
name_clock_getres:
	.asciz	"__vdso_clock_getres"
name_soname:
	.asciz	"linux-vdso.so.1"
name_linux_2_6:
	.asciz	"LINUX_2.6"
dynstr_end:

# ---- symbol versions: one entry a symbol, and the definitions
	.balign	2
versym:
	.short	0, 2, 2, 2, 2, 2
	.balign	8
verdef:
	.short	1, 1, 1, 1			# version, VER_FLG_BASE, index 1, one name
	.long	0x0deebfa1			# ELF hash of the soname
	.long	20, 28				# offsets of the name, of the next definition
	.long	name_soname - dynstr, 0
	.short	1, 0, 2, 1
	.long	0x03ae75f6			# ELF hash of "LINUX_2.6"
	.long	20, 0
	.long	name_linux_2_6 - dynstr, 0

	.balign	8
dynamic:
	.quad	14, name_soname - dynstr	# DT_SONAME
	.quad	4, hash - vdso_start		# DT_HASH
	.quad	5, dynstr - vdso_start		# DT_STRTAB
	.quad	6, dynsym - vdso_start		# DT_SYMTAB
	.quad	10, dynstr_end - dynstr		# DT_STRSZ
	.quad	11, 24				# DT_SYMENT
	.quad	0x6ffffffc, verdef - vdso_start	# DT_VERDEF
	.quad	0x6ffffffd, 2			# DT_VERDEFNUM
	.quad	0x6ffffff0, versym - vdso_start	# DT_VERSYM
	.quad	0, 0
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

# ---- the functions; arguments are where the system call wants them
	.balign	16
	.globl	__vdso_clock_gettime
	.type	__vdso_clock_gettime, @function
__vdso_clock_gettime:
	.cfi_startproc
	mov	$NR_clock_gettime, %eax
	syscall
	ret
	.cfi_endproc
clock_gettime_end:

	.balign	16
	.globl	__vdso_gettimeofday
	.type	__vdso_gettimeofday, @function
__vdso_gettimeofday:
	.cfi_startproc
	mov	$NR_gettimeofday, %eax
	syscall
	ret
	.cfi_endproc
gettimeofday_end:

	.balign	16
	.globl	__vdso_time
	.type	__vdso_time, @function
__vdso_time:
	.cfi_startproc
	mov	$NR_time, %eax
	syscall
	ret
	.cfi_endproc
time_end:

	.balign	16
	.globl	__vdso_getcpu
	.type	__vdso_getcpu, @function
__vdso_getcpu:
	.cfi_startproc
	mov	$NR_getcpu, %eax
	syscall
	ret
	.cfi_endproc
getcpu_end:

	.balign	16
	.globl	__vdso_clock_getres
	.type	__vdso_clock_getres, @function
__vdso_clock_getres:
	.cfi_startproc
	mov	$NR_clock_getres, %eax
	syscall
	ret
	.cfi_endproc
clock_getres_end:

	.balign	16
vdso_end:

	.section .eh_frame, "a", @progbits
eh_frame:
