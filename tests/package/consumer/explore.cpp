// A stranger's C++17 test: a vector that two tasks fill, as it is and under a lock.
#include <cassert>
#include <cheng.h>
#include <cheng/explore.h>
#include <iostream>
#include <vector>

static std::vector<int> *numbers;
static cheng_lock lock;

static int add(const void *, void *)
{
    numbers->push_back(1);
    return 0;
}

static int add_locked(const void *arg, void *result)
{
    CHENG_WITH(&lock) {
        return add(arg, result);
    }
    return 0;
}

static void run(void *function)
{
    cheng_fn *add_one = *static_cast<cheng_fn **>(function);
    cheng_task *tasks[2];
    numbers = new std::vector<int>;
    for (cheng_task *&task : tasks)
        if (cheng_start(&task, CHENG_THREAD, add_one, nullptr, 0, nullptr) < 0)
            abort();
    for (cheng_task *task : tasks) {
        cheng_join(task, nullptr);
        cheng_task_free(task);
    }
    assert(numbers->size() == 2);
    delete numbers;
}

int main()
{
    cheng_fn *broken = add, *fixed = add_locked;
    if (cheng_explore(run, &broken, nullptr) != CHENG_FOUND_RACE)
        return 1;
    if (cheng_explore(run, &fixed, nullptr) != CHENG_FOUND_NOTHING)
        return 2;
    std::cout << "explored: a race, and its correction\n";
    return 0;
}
