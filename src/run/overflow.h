/* The opt-in reporter of overflowed stacks: cheng_report_overflows. */
#ifndef CHENG_RUN_OVERFLOW_H
#define CHENG_RUN_OVERFLOW_H

/* A worker's thread begins: a stack for the signal, if the reporter is on; NULL if it is off or there is none. And
 * ends. */
void *chengi_overflow_enter(void);
void chengi_overflow_leave(void *stack);

#endif
