/* System calls, for preprocessed64.S. */
#ifndef NUMBERS_H
#define NUMBERS_H
#define SYS_write 1
#define SYS_exit 60
#endif
