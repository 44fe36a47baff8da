/* The reporter of overflowed stacks. */
#include <cheng.h>

#include <pthread.h>
#include <sched.h>

#include "unit/processes.h"

static int dig(volatile const bool *on)
{
    volatile char frame[1000];
    frame[0] = 1;
    return *on ? dig(on) + frame[0] : 0;
}

static int digger(const void *argument, void *result)
{
    volatile const bool on = true;
    (void)argument, (void)result;
    return dig(&on);
}

struct excavation {
    bool report, default_runtime;
    const char *name;
};

static void overflow(void *arg)
{
    const struct excavation *dig = arg;
    const cheng_task_options options = { .name = dig->name };
    cheng_task *task;
    if (dig->report && cheng_report_overflows() < 0)
        return;
    if (!dig->default_runtime)
        cheng_run(NULL, digger, NULL, 0);
    else if (cheng_start(&task, CHENG_COROUTINE, digger, NULL, 0, &options) == 0)
        cheng_join(task, NULL);
}

static void overflow_in_child(struct excavation dig, char *said, size_t room)
{
    assert_true(killed_by(last_words(overflow, &dig, said, room), SIGSEGV));
}

TEST(coroutine_is_named) // noasan: notsan: novalgrind: noqemu: they handle the fault themselves
{
    char said[512];
    overflow_in_child((struct excavation){ true, true, "mole" }, said, sizeof said);
    assert_non_null(strstr(said, "mole overflowed its stack of 262144 bytes"));
    overflow_in_child((struct excavation){ true, false, NULL }, said, sizeof said);
    assert_non_null(strstr(said, "Coroutine-1 overflowed its stack"));
}

TEST(without_it_nothing_is_said) // noasan: notsan: novalgrind: noqemu: they handle the fault themselves
{
    char said[512];
    overflow_in_child((struct excavation){ false, true, "mole" }, said, sizeof said);
    assert_string_equal(said, "");
}

/* Two who ask for it at once: the handler must not take itself for the one that was there before. */
static unsigned asking;

static void *ask(void *unused)
{
    __atomic_fetch_add(&asking, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&asking, __ATOMIC_SEQ_CST) < 2)
        sched_yield();
    assert_int_equal(cheng_report_overflows(), 0);
    return unused;
}

static void ask_twice_and_overflow(void *unused)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask, NULL), 0);
    ask(NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    overflow(&(struct excavation){ false, false, unused });
}

TEST(asked_for_twice) // noasan: notsan: novalgrind: noqemu: they handle the fault themselves
{
    char said[512];
    for (int i = 0; i < 200; i++) {
        assert_true(killed_by(last_words(ask_twice_and_overflow, NULL, said, sizeof said), SIGSEGV));
        assert_non_null(strstr(said, "overflowed its stack"));
    }
}
