/* A stranger's test, as C and as C++17: what it finds, and that its correction is clean. */
#include <assert.h>
#include <cheng.h>
#include <cheng/explore.h>
#include <stdio.h>

static int count, looks;
static cheng_lock lock;

static int add(const void *arg, void *result)
{
    (void)arg, (void)result;
    for (int i = 0; i < 2; i++)
        CHENG_WITH(&lock) {
            looks++;
        }
    count = count + 1;
    return 0;
}

static int add_locked(const void *arg, void *result)
{
    (void)arg, (void)result;
    CHENG_WITH(&lock) {
        count = count + 1;
    }
    return 0;
}

static void run(void *function)
{
    cheng_fn *const *add_one = (cheng_fn *const *)function;
    cheng_task *tasks[2];
    for (int i = 0; i < 2; i++) {
        int rc = cheng_start(&tasks[i], CHENG_THREAD, *add_one, NULL, 0, NULL);
        assert(rc == 0);
    }
    for (int i = 0; i < 2; i++) {
        cheng_join(tasks[i], NULL);
        cheng_task_free(tasks[i]);
    }
    assert(count == 2);
}

int main(void)
{
    cheng_fn *broken = add, *fixed = add_locked;
    if (cheng_explore(run, &broken, NULL) != CHENG_FOUND_RACE)
        return 1;
    if (cheng_explore(run, &fixed, NULL) != CHENG_FOUND_NOTHING)
        return 2;
    puts("explored: a race, and its correction");
    return 0;
}
