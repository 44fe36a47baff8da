/* hello: the same tasks as coroutines or as threads; one word on the command line says which. */
#include <cheng.h>
#include <stdio.h>
#include <string.h>

static int hello(const void *arg, void *result)
{
    int number = *(const int *)arg;
    cheng_sleep((4 - number) * 10 * CHENG_MILLISECOND); /* only this task sleeps */
    printf("hello from %s\n", cheng_name());
    *(int *)result = number * number;
    return 0;
}

int main(int argc, char **argv)
{
    enum cheng_kind kind = argc > 1 && strcmp(argv[1], "thread") == 0 ? CHENG_THREAD : CHENG_COROUTINE;
    cheng_task *tasks[3];
    int sum = 0, square;

    for (int i = 0; i < 3; i++) {
        int number = i + 1, rc;
        rc = cheng_start(&tasks[i], kind, hello, &number, sizeof number,
                         &(cheng_task_options){ .result_size = sizeof square });
        if (rc < 0)
            return fprintf(stderr, "hello: %s\n", cheng_strerror(rc)), 1;
    }
    for (int i = 0; i < 3; i++) {
        cheng_join(tasks[i], NULL);
        if (cheng_task_result(tasks[i], &square, sizeof square) == 0)
            sum += square;
        cheng_task_free(tasks[i]);
    }
    printf("1 + 4 + 9 = %d\n", sum);
    return 0;
}
