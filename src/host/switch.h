/* The context switch, per architecture: host/linux/switch_*.S.
 *
 * Saves the callee-saved registers only; floating-point control and the signal mask belong to the kernel
 * thread. It ends in a jump, not a return, so that the processor's return predictions stay true. */
#ifndef CHENG_HOST_SWITCH_H
#define CHENG_HOST_SWITCH_H

#include <stddef.h>
#include <stdint.h>

/* Saves the caller's context, stores its stack pointer in `*save`, and continues the context `to`, whose
 * own call returns `value`. */
void *chengi_switch(void **save, void *to, void *value);

/* Prepares a stack whose high end is `top`: the first switch to the result calls entry(argument, value),
 * which must never return. */
void *chengi_switch_prepare(void *top, void (*entry)(void *argument, void *value), void *argument);

#endif
