/* What Linux's seccomp selftest uses of libcap, on the system calls themselves: nothing but a compiler is needed to build it. */
#ifndef RINGSIDE_SYS_CAPABILITY_H
#define RINGSIDE_SYS_CAPABILITY_H
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int cap_value_t;
typedef enum { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE } cap_flag_t;
typedef enum { CAP_CLEAR, CAP_SET } cap_flag_value_t;
typedef struct {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
} *cap_t;

static inline cap_t cap_get_proc(void)
{
	cap_t caps = calloc(1, sizeof(*caps));

	caps->header.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &caps->header, caps->data) == 0)
		return caps;
	free(caps);
	return NULL;
}

static inline int cap_set_flag(cap_t caps, cap_flag_t flag, int count, const cap_value_t *list, cap_flag_value_t value)
{
	for (int i = 0; i < count; i++) {
		struct __user_cap_data_struct *data = &caps->data[list[i] / 32];
		__u32 *set = flag == CAP_EFFECTIVE ? &data->effective : flag == CAP_PERMITTED ? &data->permitted : &data->inheritable;

		*set = value == CAP_SET ? *set | 1u << list[i] % 32 : *set & ~(1u << list[i] % 32);
	}
	return 0;
}

static inline int cap_set_proc(cap_t caps)
{
	return syscall(SYS_capset, &caps->header, caps->data);
}

static inline int cap_free(void *caps)
{
	free(caps);
	return 0;
}
#endif
