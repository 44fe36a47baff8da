/*
 * The frame of every test program. cmocka provides the assertions; this provides the cases:
 *
 *     #include "unit/harness.h"
 *
 *     TEST(release_wakes_one)
 *     {
 *         …
 *         assert_int_equal(rc, 0);
 *     }
 *
 * Each case is run in a process of its own, with a time-out, as CTest case <topic>.release_wakes_one (topic from
 * the file's name, test_<topic>.c). cmocka's own runner is not used: it leaves a failed test by longjmp, which
 * cannot cross threads or coroutines, and it catches SIGSEGV, which hides a sanitizer's report. Here a failed
 * assertion prints its line and aborts, from whatever stack it is on.
 *
 * A comment on TEST's own line excludes the case somewhere, and says why (novalgrind, noqemu, notsan, noasan),
 * or has it run alone because it measures time (serial):
 *     TEST(name) // novalgrind: needs 8,000 stacks
 *     TEST(name) // serial: bounds a delay
 */
#ifndef CHENG_TEST_HARNESS_H
#define CHENG_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register(struct test_case *);

#define TEST(name)                                                                                           \
    static void test_##name(void);                                                                           \
    __attribute__((constructor)) static void test_register_##name(void)                                      \
    {                                                                                                        \
        static struct test_case entry = { #name, test_##name, NULL };                                        \
        test_register(&entry);                                                                               \
    }                                                                                                        \
    static void test_##name(void)

/* Ends the case as skipped: printf-like, the reason. */
_Noreturn void test_skip(const char *reason, ...) __attribute__((format(printf, 1, 2)));

/* The seed of random cases: CHENG_SEED from the environment, or a fresh one; printed once, to replay with. */
uint64_t test_seed(void);

/* True with CHENG_LONG=1: the long form of a test, for release checks. */
int test_long(void);

/* A path of the case's own in TMPDIR, or in /tmp, at which there is nothing yet. What comes to be there, a file or an empty
 * folder, goes with the process, also when an assertion fails. */
void test_scratch_path(char *path, size_t room);

/* The same for a path that the case has chosen itself. */
void test_remove_at_end(const char *path);

#endif
