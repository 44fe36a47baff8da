/* The context switch, per architecture: host/linux/switch_*.S.
 *
 * Saves the callee-saved registers only; floating-point control and the signal mask belong to the kernel thread.
 *
 * Two ways out. The processor predicts a return by a stack of the calls that it has seen. Contexts that all switch in
 * the same few places, under the same callers, as the scheduler's do, have stacks that look alike: a return is
 * predicted right, and so are those of the callers above, while a jump would leave the prediction one call behind and
 * spoil them all (measured: 20 ns a spawn and join). Where the switch is the last act of its caller, as in a
 * symmetric one, nothing returns above it, and the jump predicts better. */
#ifndef CHENG_HOST_SWITCH_H
#define CHENG_HOST_SWITCH_H

#include <stddef.h>
#include <stdint.h>

/* Saves the caller's context, stores its stack pointer in `*save`, and continues the context `to`, whose
 * own call returns `value`. */
void *chengi_switch(void **save, void *to, void *value);      /* leaves by a return */
void *chengi_switch_tail(void **save, void *to, void *value); /* leaves by a jump */
/* The second, for callers that return the value as an int and whose last act it must stay. */
int chengi_switch_tail_int(void **save, void *to, intptr_t value) __asm__("chengi_switch_tail");

/* Prepares a stack whose high end is `top`: the first switch to the result calls entry(argument, value),
 * which must never return. */
void *chengi_switch_prepare(void *top, void (*entry)(void *argument, void *value), void *argument);

#endif
