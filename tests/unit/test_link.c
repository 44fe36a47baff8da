/* What is called when a task ends. */
#include "unit/actors.h"

#include <sys/wait.h>
#include <unistd.h>

#define FOR_EACH_KIND(kind) for (enum cheng_kind kind = CHENG_THREAD; kind <= CHENG_COROUTINE; kind++)

static cheng_event go;

/* Returns its argument, also as its result. */
static int wait_and_return(const void *argument, void *result)
{
    assert_int_equal(cheng_event_wait(&go), 0);
    return *(int *)result = *(const int *)argument;
}

static cheng_task *start(enum cheng_kind kind, int number)
{
    cheng_task *task;
    assert_int_equal(cheng_start(&task, kind, wait_and_return, &number, sizeof number,
                                 &(cheng_task_options){ .result_size = sizeof number }),
                     0);
    return task;
}

static struct note {
    cheng_task *task, *self;
    int status, result, rc;
    const void *context;
} notes[8];
static unsigned count;

static void note(cheng_task *task, int status, void *context)
{
    struct note *n = &notes[count++];
    *n = (struct note){ .task = task, .self = cheng_current(), .status = status, .context = context };
    n->rc = cheng_task_result(task, &n->result, sizeof n->result);
}

static void expect(unsigned i, cheng_task *task, cheng_task *self, int status, const void *context)
{
    assert_ptr_equal(notes[i].task, task);
    assert_ptr_equal(notes[i].self, self);
    assert_int_equal(notes[i].status, status);
    assert_ptr_equal(notes[i].context, context);
    assert_int_equal(notes[i].rc, 0);
    assert_int_equal(notes[i].result, status);
}

TEST(before_the_end_and_after_it)
{
    FOR_EACH_KIND(kind)
    {
        cheng_link links[4];
        for (int i = 0; i < 4; i++)
            links[i] = (cheng_link){ .call = note, .context = &links[i] };
        count = 0;
        cheng_event_clear(&go);
        cheng_task *task = start(kind, 7);
        for (int i = 0; i < 3; i++)
            cheng_task_link(task, &links[i]);
        assert_int_equal(count, 0);
        cheng_event_set(&go);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(count, 3); /* the join waits for them */
        for (unsigned i = 0; i < 3; i++)
            expect(i, task, task, 7, &links[i]);
        cheng_task_link(task, &links[3]); /* at once */
        assert_int_equal(count, 4);
        expect(3, task, cheng_current(), 7, &links[3]);
        assert_false(cheng_task_unlink(task, &links[3]));
        cheng_task_free(task);
    }
}

TEST(unlink)
{
    for (unsigned set = 0; set < 8; set++) { /* which of three are taken away again, in both directions */
        cheng_link links[3], stranger = { .call = note };
        unsigned left = 0;
        cheng_event_clear(&go);
        count = 0;
        cheng_task *task = start(CHENG_COROUTINE, 1);
        assert_false(cheng_task_unlink(task, &stranger)); /* there is none at all */
        for (int i = 0; i < 3; i++) {
            links[i] = (cheng_link){ .call = note, .context = &links[i] };
            cheng_task_link(task, &links[i]);
        }
        for (unsigned k = 0; k < 3; k++) {
            unsigned i = set & 1 ? 2 - k : k;
            if (set & 1u << i)
                assert_true(cheng_task_unlink(task, &links[i]));
        }
        assert_false(cheng_task_unlink(task, &stranger));
        for (unsigned i = 0; i < 3; i++)
            if (set & 1u << i)
                assert_false(cheng_task_unlink(task, &links[i]));
        if (set == 7) /* all are gone: again */
            cheng_task_link(task, &links[1]);
        cheng_event_set(&go);
        assert_int_equal(cheng_join(task, NULL), 0);
        for (unsigned i = 0; i < 3; i++)
            if (!(set & 1u << i) || (set == 7 && i == 1))
                expect(left++, task, task, 1, &links[i]);
        assert_int_equal(count, left);
        cheng_task_free(task);
    }
}

static unsigned failures;

static void count_failures(const cheng_incident *incident)
{
    failures += incident->kind == CHENG_FAILURE;
}

static void free_it(cheng_task *task, int status, void *context)
{
    assert_int_equal(status, -EIO);
    cheng_task_free(task);
    cheng_event_set(context);
}

/* Who is told of a failure has collected it; the link may free the handle. */
TEST(of_a_failure)
{
    cheng_set_incident_hook(count_failures);
    FOR_EACH_KIND(kind)
    {
        cheng_event freed = { 0 };
        cheng_link link = { .call = free_it, .context = &freed };
        cheng_event_clear(&go);
        cheng_task *task = start(kind, -EIO);
        cheng_task_link(task, &link);
        cheng_event_set(&go);
        assert_int_equal(cheng_event_wait(&freed), 0);
        task = start(kind, -EIO);
        while (cheng_task_is_alive(task))
            cheng_yield();
        cheng_event_clear(&freed);
        cheng_task_link(task, &link);
        assert_true(cheng_event_is_set(&freed));
    }
    cheng_task *task = start(CHENG_THREAD, -EIO);
    assert_int_equal(failures, 0);
    while (cheng_task_is_alive(task))
        cheng_yield();
    cheng_task_free(task);
    assert_int_equal(failures, 1); /* nobody was told */
}

static cheng_link second = { .call = note };

static void link_another(cheng_task *task, int status, void *context)
{
    (void)status;
    cheng_task_link(task, context);
}

static void unlink_another(cheng_task *task, int status, void *context)
{
    (void)status;
    assert_true(cheng_task_unlink(task, context));
}

TEST(links_change_links)
{
    FOR_EACH_KIND(kind)
    {
        cheng_link third = { .call = note };
        cheng_link first = { .call = link_another, .context = &second },
                   fourth = { .call = unlink_another, .context = &third };
        count = 0;
        cheng_event_clear(&go);
        cheng_task *task = start(kind, 5);
        cheng_task_link(task, &first);
        cheng_task_link(task, &fourth);
        cheng_task_link(task, &third);
        cheng_event_set(&go);
        assert_int_equal(cheng_join(task, NULL), 0);
        assert_int_equal(count, 1);
        expect(0, task, task, 5, NULL);
        cheng_task_free(task);
    }
}

static cheng_lock lock;
static cheng_local local;

/* It may do what the task may: take locks, have locals. */
static void use_all(cheng_task *task, int status, void *context)
{
    (void)status;
    assert_ptr_equal(task, cheng_current());
    cheng_lock_acquire(&lock);
    assert_int_equal(cheng_lock_release(&lock), 0);
    assert_int_equal(cheng_local_set(&local, context), 0);
}

static void count_destroyed(void *value)
{
    (*(unsigned *)value)++;
}

static int link_oneself(const void *argument, void *result)
{
    (void)result;
    cheng_task_link(cheng_current(), *(cheng_link *const *)argument);
    return 0;
}

TEST(may_do_what_the_task_may)
{
    unsigned destroyed = 0;
    cheng_link link = { .call = use_all, .context = &destroyed }, *address = &link;
    local.destroy = count_destroyed;
    FOR_EACH_KIND(kind)
    {
        cheng_task *task;
        assert_int_equal(cheng_start(&task, kind, link_oneself, &address, sizeof address, NULL), 0);
        assert_int_equal(cheng_join(task, NULL), 0);
        cheng_task_free(task);
    }
    assert_int_equal(destroyed, 2);
}

/* Cancelled before it begins: its links are told. */
static int cancel_before_it_begins(const void *argument, void *result)
{
    cheng_link link = { .call = note };
    (void)argument, (void)result;
    cheng_task *task = start(CHENG_COROUTINE, 1);
    cheng_task_link(task, &link);
    cheng_cancel(task);
    assert_int_equal(cheng_join(task, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(notes[0].status, -ECANCELED);
    cheng_task_free(task);
    return 0;
}

TEST(of_one_that_never_begins)
{
    int status;
    assert_int_equal(cheng_run(&status, cancel_before_it_begins, NULL, 0), 0);
    assert_int_equal(status, 0);
}

/* A child has the one task that forked: the links of the others are not called there, those of that one are. */
static int fork_and_end(const void *argument, void *result)
{
    cheng_task *other = *(cheng_task *const *)argument;
    cheng_link own = { .call = note, .context = &own }, late = { .call = note, .context = &late };
    (void)result;
    cheng_task_link(cheng_current(), &own);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        assert_int_equal(count, 0);
        assert_int_equal(cheng_join_until(other, NULL, CHENG_NOW), 0);
        cheng_task_link(other, &late); /* at once: it has ended */
        assert_int_equal(count, 1);
        assert_int_equal(notes[0].status, -EOWNERDEAD);
        assert_false(cheng_task_unlink(other, &late));
        assert_true(cheng_task_unlink(cheng_current(), &own));
        assert_int_equal(count, 1);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(cheng_task_unlink(cheng_current(), &own));
    return 0;
}

TEST(in_a_forks_child) // notsan: noqemu: a threaded program's child
{
    FOR_EACH_KIND(kind)
    {
        int status;
        cheng_task *forks;
        cheng_link link = { .call = note, .context = &link };
        count = 0;
        cheng_event_clear(&go);
        cheng_task *other = start(kind, 7);
        cheng_task_link(other, &link);
        wait_until_blocked(other, CHENGI_WAIT_EVENT);
        assert_int_equal(cheng_start(&forks, CHENG_THREAD, fork_and_end, &other, sizeof other, NULL), 0);
        assert_int_equal(cheng_join(forks, &status), 0);
        assert_int_equal(status, 0);
        assert_int_equal(count, 0);
        cheng_event_set(&go);
        assert_int_equal(cheng_join(other, NULL), 0);
        assert_int_equal(count, 1);
        cheng_task_free(forks);
        cheng_task_free(other);
    }
}
