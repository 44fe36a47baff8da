/* Symmetric coroutines: one passes control to another by hand, within a task. The scheduler knows nothing of them: a task that waits
 * is suspended with whichever stack it runs on.
 *
 *   state      may become
 *   NEW        RUNNING, by the first switch to it; DEAD, by a throw
 *   RUNNING    SUSPENDED, by a switch away; DEAD, when its function returns
 *   SUSPENDED  RUNNING
 *   DEAD */
#include <cheng/coroutine.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/list.h"
#include "host/switch.h"
#include "run/worker.h"
#include "task/coroutine.h"

enum state { NEW, SUSPENDED, RUNNING, DEAD };

struct cheng_coroutine {
    void *context;
    struct coroutines *family;
    enum state state;
    const char *site;    /* of the switch in which it is suspended */
    void **out;          /* where that switch wants what is passed to it */
    void *value;         /* what is passed to one that begins */
    unsigned closers;    /* calls that close it, and look at it when they come back */
    bool asks;           /* suspended in cheng_generator_next, which tells the end by an error */
    struct stack *stack; /* NULL: the task's own, or none */
    cheng_coroutine *parent;
    void *exceptions[2];
    struct link link; /* in the family; not the root's */

    cheng_coroutine_fn *function;
    void *argument;
    size_t stack_size;
};

/* All coroutines of a task. */
struct coroutines {
    struct cheng_task *task; /* NULL: it has ended; the family goes with its last member */
    cheng_coroutine *current;
    cheng_coroutine_trace_fn *trace;
    void **exceptions;     /* C++'s, of this thread */
    struct stack *retired; /* of one that has died: the next to begin, or to die, is not on it any more */
    struct link members;
    cheng_coroutine *ending;  /* with its task; NULL: freed meanwhile */
    struct sanitize sanitize; /* of the stack of a task that has none of ours */
    cheng_coroutine root;
};

extern void *__cxa_get_globals(void) __attribute__((weak));

static struct coroutines *family_new(struct cheng_task *task)
{
    struct coroutines *family = calloc(1, sizeof *family);
    if (family == NULL)
        return NULL;
    family->task = task;
    family->current = &family->root;
    family->root.family = family;
    family->root.state = RUNNING;
    family->root.stack = task->stack;
    family->exceptions = &__cxa_get_globals == NULL ? NULL : __cxa_get_globals();
    chengi_list_init(&family->members);
    chengi_sanitize_thread(&family->sanitize);
    task->coroutines = family;
    task->leaves |= CHENGI_LEAVES_COROUTINES;
    return family;
}

static struct coroutines *family_of_caller(void)
{
    struct cheng_task *task = chengi_runner_self();
    return task->coroutines != NULL ? task->coroutines : family_new(task);
}

static inline struct sanitize *sanitize_of(struct coroutines *family, cheng_coroutine *coroutine)
{
    return coroutine->stack == NULL ? &family->sanitize : &coroutine->stack->sanitize;
}

/* What the scheduler has to know of the stack that the task runs on. */
static inline void run_on(struct cheng_task *task, struct stack *stack)
{
    if (task->worker != NULL) {
        task->stack = stack;
        task->worker->stack = stack;
    }
}

/* Passes control on; returns when somebody passes it back. All that the other side is to find is put there before, so that
 * the switch is the last act here and leaves by a jump: returns would be predicted from the wrong stack (measured: 15 ns
 * each). */
static inline int pass(struct coroutines *family, cheng_coroutine *to, int error, void *value)
{
    cheng_coroutine *from = family->current;
    if (unlikely(family->trace != NULL))
        family->trace(from, to, error);
    if (unlikely(family->exceptions != NULL)) {
        memcpy(from->exceptions, family->exceptions, sizeof from->exceptions);
        memcpy(family->exceptions, to->exceptions, sizeof from->exceptions);
    }
    if (to->out != NULL)
        *to->out = value;
    to->state = RUNNING;
    family->current = to;
    run_on(family->task, to->stack);
    void *fake_stack = chengi_sanitize_leave(sanitize_of(family, to));
    int thrown = chengi_switch_tail_int(&from->context, to->context, error);
    chengi_sanitize_arrive(fake_stack, &family->sanitize);
    return thrown;
}

static inline int suspend(struct coroutines *family, cheng_coroutine *to, int error, void *value, void **out,
                          bool asks, const char *site)
{
    cheng_coroutine *from = family->current;
    from->state = SUSPENDED;
    from->asks = asks;
    from->site = site;
    from->out = out;
    return pass(family, to, error, value);
}

static void coroutine_main(void *stack, void *unused);

static int begin(cheng_coroutine *coroutine)
{
    struct stack *stack = coroutine->family->retired;
    if (stack != NULL && stack->size == coroutine->stack_size) {
        coroutine->family->retired = NULL;
        coroutine->context = chengi_switch_prepare(stack, coroutine_main, stack);
    } else {
        stack = chengi_stack_new(coroutine->stack_size, coroutine_main);
        if (stack == NULL)
            return -ENOMEM;
        coroutine->context = stack->context;
    }
    coroutine->stack = stack;
    coroutine->out = &coroutine->value;
    return 0;
}

/* Who is to be passed `*error` and `*value` instead of `to`: the dead, and those that die of an error before they have begun,
 * are stood for by their parents. The root never dies. */
static cheng_coroutine *receiver(cheng_coroutine *to, int *error, void **value)
{
    for (; to->state == DEAD || to->state == NEW; to = to->parent) {
        if (to->state == DEAD)
            continue;
        if (*error == 0 && to->stack == NULL)
            *error = begin(to);
        if (*error == 0)
            break;
        to->state = DEAD;
        *error = *error == -ECANCELED ? 0 : *error;
        *value = NULL;
    }
    return to;
}

static void retire(struct coroutines *family, struct stack *stack)
{
    if (family->retired != NULL)
        chengi_stack_free(family->retired);
    family->retired = stack;
}

static void coroutine_main(void *stack, void *unused)
{
    struct coroutines *family = chengi_runner_self()->coroutines;
    cheng_coroutine *self = family->current;
    void *result = NULL;
    (void)unused;
    chengi_sanitize_arrive(NULL, &family->sanitize);
    int error = self->function(self->argument, self->value, &result);
    if (error != 0)
        result = NULL;
    if (error == -ECANCELED)
        error = 0;
    self->state = DEAD;
    self->stack = NULL;
    cheng_coroutine *heir = receiver(self->parent, &error, &result);
    retire(family, stack); /* not before: an heir that has not begun would be given the stack we run on */
    if (error == 0 && heir->asks && heir == self->parent)
        error = -EPIPE;
    (void)pass(family, heir, error, result);
    abort(); /* nobody switches to the dead */
}

/* All but the usual case, a switch to one that is suspended. */
static CHENGI_NOINLINE int switch_slowly(cheng_coroutine *to, int error, void *value, void **out, bool asks,
                                         const char *site)
{
    struct coroutines *family = family_of_caller();
    if (family == NULL)
        return -ENOMEM;
    if (to->family != family)
        return -EPERM;
    if (to->state == NEW && error == 0 && begin(to) < 0)
        return -ENOMEM;
    to = receiver(to, &error, &value);
    if (to != family->current)
        return suspend(family, to, error, value, out, asks, site);
    if (out != NULL)
        *out = value;
    return error;
}

static inline int switch_to(cheng_coroutine *to, int error, void *value, void **out, const char *site)
{
    struct coroutines *family = chengi_runner_self()->coroutines;
    if (likely(to->family == family && to->state == SUSPENDED))
        return suspend(family, to, error, value, out, false, site);
    return switch_slowly(to, error, value, out, false, site);
}

int chengi_coroutine_switch_at(cheng_coroutine *to, void *value, void **out, const char *site)
{
    return switch_to(to, 0, value, out, site);
}

int chengi_coroutine_throw_at(cheng_coroutine *to, int error, void **out, const char *site)
{
    return error < 0 ? switch_to(to, error, NULL, out, site) : -EINVAL;
}

/* ---- generators: the caller is the parent, and the parent is told of the end ---- */

int chengi_generator_next_at(cheng_coroutine *generator, void *sent, void **value, const char *site)
{
    struct coroutines *family = chengi_runner_self()->coroutines;
    if (likely(generator->family == family && generator->state == SUSPENDED &&
               generator->parent == family->current))
        return suspend(family, generator, 0, sent, value, true, site);
    if (generator->state == DEAD)
        return -EPIPE;
    family = family_of_caller();
    if (family == NULL)
        return -ENOMEM;
    int rc = cheng_coroutine_set_parent(generator, family->current);
    return rc < 0 ? rc : switch_slowly(generator, 0, sent, value, true, site);
}

int chengi_generator_yield_at(void *value, void **sent, const char *site)
{
    struct coroutines *family = chengi_runner_self()->coroutines;
    if (unlikely(family == NULL || family->current->parent == NULL))
        return -EPERM;
    return switch_to(family->current->parent, 0, value, sent, site);
}

int cheng_generator_close(cheng_coroutine *generator)
{
    struct coroutines *family = family_of_caller();
    if (family == NULL)
        return -ENOMEM;
    if (generator->state == DEAD)
        return generator->family == family ? 0 : -EPERM;
    int rc = cheng_coroutine_set_parent(generator, family->current);
    generator->closers++;
    if (rc == 0)
        rc = switch_to(generator, -ECANCELED, NULL, NULL, NULL);
    generator->closers--;
    return generator->state == DEAD || rc < 0 ? rc : -EBUSY;
}

/* ---- their life ---- */

int cheng_coroutine_new(cheng_coroutine **out, cheng_coroutine_fn *function, void *arg,
                        const cheng_coroutine_options *options)
{
    static const cheng_coroutine_options none;
    options = options == NULL ? &none : options;
    size_t size = options->stack_size == 0 ? CHENGI_STACK_DEFAULT : options->stack_size;
    if (function == NULL || size < CHENGI_STACK_LEAST || size > CHENGI_STACK_MOST)
        return -EINVAL;
    struct coroutines *family = family_of_caller();
    if (family == NULL)
        return -ENOMEM;
    if (options->parent != NULL && options->parent->family != family)
        return -EPERM;
    cheng_coroutine *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->family = family;
    made->parent = options->parent == NULL ? family->current : options->parent;
    made->function = function;
    made->argument = arg;
    made->stack_size = size;
    chengi_list_push_back(&family->members, &made->link);
    *out = made;
    return 0;
}

static cheng_coroutine *member(struct link *link)
{
    return CHENGI_CONTAINER(link, cheng_coroutine, link);
}

int cheng_coroutine_free(cheng_coroutine *coroutine)
{
    if (coroutine == NULL)
        return 0;
    struct coroutines *family = coroutine->family;
    if (family->task != NULL) {
        if (chengi_runner_self()->coroutines != family)
            return -EPERM;
        if (coroutine == family->current || coroutine == &family->root)
            return -EBUSY;
        if (coroutine->state != DEAD)
            (void)cheng_generator_close(coroutine);
        if (coroutine->state != DEAD || coroutine->closers != 0)
            return -EBUSY;
    }
    chengi_list_remove(&coroutine->link);
    if (family->ending == coroutine)
        family->ending = NULL;
    for (struct link *link = family->members.next; link != &family->members; link = link->next)
        if (member(link)->parent == coroutine)
            member(link)->parent = coroutine->parent;
    free(coroutine);
    if (family->task == NULL && chengi_list_empty(&family->members))
        free(family);
    return 0;
}

static cheng_coroutine *living_member(struct coroutines *family)
{
    for (struct link *link = family->members.next; link != &family->members; link = link->next)
        if (member(link)->state != DEAD)
            return member(link);
    return NULL;
}

/* The task ends, on its own stack. What its coroutines do on their way out may free others of them. */
void chengi_coroutines_end(struct cheng_task *task)
{
    struct coroutines *family = task->coroutines;
    cheng_coroutine *coroutine;
    while ((coroutine = living_member(family)) != NULL) {
        family->ending = coroutine;
        if (coroutine->state == SUSPENDED) {
            coroutine->parent = &family->root;
            (void)switch_to(coroutine, -ECANCELED, NULL, NULL, NULL);
        }
        if (family->ending == NULL)
            continue;
        if (coroutine->state == SUSPENDED) /* it would not end */
            chengi_stack_free(coroutine->stack);
        coroutine->state = DEAD;
    }
    retire(family, NULL);
    task->coroutines = NULL;
    task->leaves &= ~(uint32_t)CHENGI_LEAVES_COROUTINES;
    family->task = NULL;
    if (chengi_list_empty(&family->members))
        free(family);
}

/* ---- looking ---- */

cheng_coroutine *cheng_coroutine_current(void)
{
    struct coroutines *family = family_of_caller();
    return family == NULL ? NULL : family->current;
}

cheng_coroutine *cheng_coroutine_parent(const cheng_coroutine *coroutine)
{
    return coroutine->parent;
}

int cheng_coroutine_set_parent(cheng_coroutine *coroutine, cheng_coroutine *parent)
{
    if (parent == NULL || coroutine == &coroutine->family->root)
        return -EINVAL;
    if (coroutine->family != parent->family || chengi_runner_self()->coroutines != parent->family)
        return -EPERM;
    for (const cheng_coroutine *c = parent; c != NULL; c = c->parent)
        if (c == coroutine)
            return -ELOOP;
    coroutine->parent = parent;
    return 0;
}

bool cheng_coroutine_is_active(const cheng_coroutine *coroutine)
{
    return coroutine->state == SUSPENDED || coroutine->state == RUNNING;
}

bool cheng_coroutine_is_dead(const cheng_coroutine *coroutine)
{
    return coroutine->state == DEAD;
}

const char *cheng_coroutine_where(const cheng_coroutine *coroutine)
{
    return coroutine->state == SUSPENDED ? coroutine->site : NULL;
}

cheng_coroutine_trace_fn *cheng_coroutine_trace(cheng_coroutine_trace_fn *trace)
{
    struct coroutines *family = family_of_caller();
    if (family == NULL)
        return NULL;
    cheng_coroutine_trace_fn *before = family->trace;
    family->trace = trace;
    return before;
}

/* What the macros' names stand for where a macro cannot: other languages, `&cheng_coroutine_switch`. */
#undef cheng_coroutine_switch
#undef cheng_coroutine_throw
#undef cheng_generator_next
#undef cheng_generator_yield

int cheng_coroutine_switch(cheng_coroutine *to, void *value, void **out)
{
    return chengi_coroutine_switch_at(to, value, out, NULL);
}

int cheng_coroutine_throw(cheng_coroutine *to, int error, void **out)
{
    return chengi_coroutine_throw_at(to, error, out, NULL);
}

int cheng_generator_next(cheng_coroutine *generator, void *sent, void **value)
{
    return chengi_generator_next_at(generator, sent, value, NULL);
}

int cheng_generator_yield(void *value, void **sent)
{
    return chengi_generator_yield_at(value, sent, NULL);
}

bool chengi_coroutines_suspended(const struct cheng_task *task, unsigned n, const char **site)
{
    struct coroutines *family = task->coroutines;
    if (family == NULL)
        return false;
    const cheng_coroutine *coroutine = &family->root;
    for (struct link *link = family->members.next;; link = link->next) {
        if (coroutine->state == SUSPENDED && n-- == 0)
            break;
        if (link == &family->members)
            return false;
        coroutine = member(link);
    }
    *site = coroutine->site;
    return true;
}
