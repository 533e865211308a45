	.data
steps:	.byte	1, 2, 3, 4
	.set	STEPS, . - steps
