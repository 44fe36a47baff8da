/* Who goes on at each scheduling point. */
#include "host/explore/engine.h"

#include <string.h>

#define E chengi_engine

static unsigned count_bits(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

static unsigned nth_bit(uint32_t mask, unsigned n)
{
    while (n-- > 0)
        mask &= mask - 1;
    return (unsigned)__builtin_ctz(mask);
}

/* Those whose deadline may pass although others could go on: a wait in four, by lot. */
static uint32_t early(void)
{
    uint32_t mask = 0;
    for (uint32_t m = E.timed; m != 0; m &= m - 1)
        if (E.threads[__builtin_ctz(m)].early)
            mask |= m & -m;
    return mask;
}

/* Nobody is ready, and time passes: by default, to the first deadline. */
static bool time_passes(unsigned fallback)
{
    return E.threads[fallback].state == WAITING;
}

/* A thread whose deadlines pass before anybody else goes on, or before earlier ones, could do so for ever. So a systematic
 * search lets deadlines pass early a few times in each schedule, and then only in their order and when nobody else can go
 * on: `*cut`, it has not seen all. */
enum { EARLY_MOST = 3 };
static uint32_t options(uint32_t enabled, unsigned fallback, bool *cut)
{
    if (E.early < EARLY_MOST)
        return enabled | E.timed;
    uint32_t in_order = time_passes(fallback) ? BIT(fallback) : enabled;
    *cut = *cut || in_order != (enabled | E.timed);
    return in_order;
}

/* ---- random ---- */

static unsigned one_in; /* a switch at one point in so many, by the schedule */

static bool random_begin(void)
{
    static const unsigned rates[] = { 1, 1, 2, 2, 4, 16 };
    one_in = rates[chengi_explore_random() % (sizeof rates / sizeof *rates)];
    return true;
}

static unsigned random_pick(uint32_t enabled, unsigned fallback, bool forced)
{
    if (!forced && one_in > 1 && chengi_explore_random() % one_in != 0)
        return fallback;
    enabled |= early();
    return nth_bit(enabled, (unsigned)(chengi_explore_random() % count_bits(enabled)));
}

static bool never(void)
{
    return false;
}

const struct strategy chengi_strategy_random = { random_begin, random_pick, NULL, never };

/* ---- PCT: priorities by lot, lowered at a few points by lot ---- */

enum { CHANGES = 4 };
static uint32_t changes[CHANGES];
static unsigned change_count;
static int64_t lowest;

static bool pct_begin(void)
{
    uint32_t points = E.longest < 10 ? 10 : E.longest;
    change_count = 1 + (unsigned)(chengi_explore_random() % CHANGES);
    for (unsigned i = 0; i < change_count; i++)
        changes[i] = 1 + (uint32_t)(chengi_explore_random() % points);
    lowest = 0;
    return true;
}

static unsigned pct_pick(uint32_t enabled, unsigned fallback, bool forced)
{
    /* nobody is ready, so time passes: by priority alone, one who waits again and again would be late for ever */
    if (time_passes(fallback) && chengi_explore_random() % 4 != 0)
        return fallback;
    for (unsigned i = 0; i < change_count; i++)
        if (changes[i] == E.steps)
            E.current->priority = --lowest;
    if (forced && E.current->state == READY) /* it spins, or lets others go on */
        E.current->priority = --lowest;
    unsigned best = THREADS;
    for (uint32_t m = enabled | early(); m != 0; m &= m - 1) {
        struct thread *thread = &E.threads[__builtin_ctz(m)];
        if (thread->priority == 0)
            thread->priority = 1 + (int64_t)(chengi_explore_random() >> 2);
        if (best == THREADS || thread->priority > E.threads[best].priority)
            best = thread->id;
    }
    return best;
}

const struct strategy chengi_strategy_pct = { pct_begin, pct_pick, NULL, never };

/* ---- the tree of choices, searched depth first ----
 *
 * A node is a point of the present schedule where there was a choice. Each next schedule repeats the last one up to the
 * deepest node that has something left to try. */

struct footprint {
    uint32_t first, count; /* in `touched` */
};

struct node {
    uint32_t enabled, tried, chosen; /* options as bits */
    /* bounded */
    uint32_t cost;        /* preemptions before it */
    uint32_t free_option; /* the one that is no preemption; all if none is */
    /* all */
    uint32_t wanted, sleeping, divided; /* divided: whose step here was, by other choices */
    uint8_t thread;                     /* whose step it begins */
    bool of_threads;                    /* else of another choice */
    struct footprint footprint;         /* of that step */
    struct footprint slept[THREADS];
};

enum { NODES = STEPS_MOST, TOUCHED = 1 << 20 };

struct tree {
    struct node nodes[NODES];
    unsigned count, depth; /* on the path; of the present schedule so far */
    bool begun, done;
    bool cut, cut_time; /* something was left out: by a bound; by EARLY_MOST */
};

static _Noreturn void tree_mismatch(void)
{
    chengi_explore_fail(CHENG_FOUND_DIFFERENCE, 0, 0,
                        "the test does not repeat itself: it depends on more than the order of its tasks");
}

/* ---- bounded: all orders with few preemptions, those with fewer first ---- */

static struct tree bounded;
static uint32_t bound, cost;

static uint32_t affordable(const struct node *node)
{
    return node->cost < bound ? node->enabled : node->enabled & node->free_option;
}

static bool bounded_begin(void)
{
    bounded.depth = 0;
    cost = 0;
    if (!bounded.begun) {
        bounded.begun = true;
        return true;
    }
    for (;;) {
        for (; bounded.count > 0; bounded.count--) {
            struct node *node = &bounded.nodes[bounded.count - 1];
            uint32_t left = node->enabled & ~node->tried;
            if (left != 0 && (left & affordable(node)) == 0)
                bounded.cut = true;
            if ((left &= affordable(node)) != 0) {
                node->chosen = (uint32_t)__builtin_ctz(left);
                node->tried |= BIT(node->chosen);
                return true;
            }
        }
        if (!bounded.cut || bound >= E.options.preemptions) {
            bounded.done = !bounded.cut && !bounded.cut_time;
            return false;
        }
        bound++; /* again from the beginning, with one more */
        bounded.cut = false;
        return true;
    }
}

static unsigned bounded_choice(uint32_t options, uint32_t fallback, uint32_t free_option)
{
    struct node *node = &bounded.nodes[bounded.depth];
    if (count_bits(options) == 1)
        return fallback;
    if (bounded.depth < bounded.count) {
        if (node->enabled != options)
            tree_mismatch();
    } else if (bounded.count == NODES) {
        bounded.cut = true;
        return fallback;
    } else {
        *node = (struct node){ .enabled = options,
                               .tried = BIT(fallback),
                               .chosen = fallback,
                               .cost = cost,
                               .free_option = free_option };
        bounded.count++;
    }
    bounded.depth++;
    cost += !(free_option & BIT(node->chosen));
    return node->chosen;
}

static unsigned bounded_pick(uint32_t enabled, unsigned fallback, bool forced)
{
    uint32_t free_option = forced && !time_passes(fallback) ? enabled : BIT(fallback);
    return bounded_choice(options(enabled, fallback, &bounded.cut_time), fallback, free_option);
}

static unsigned bounded_choose(unsigned n)
{
    return bounded_choice((n >= 32 ? 0 : BIT(n)) - 1, 0, 1);
}

static bool bounded_complete(void)
{
    return bounded.done;
}

const struct strategy chengi_strategy_bounded = { bounded_begin, bounded_pick, bounded_choose,
                                                  bounded_complete };

/* ---- all: dynamic partial-order reduction with sleep sets ----
 *
 * Two steps are dependent if they touch the same word and one writes it. A schedule that only swaps independent steps
 * of another shows nothing new. After each step we look for the last earlier step of each other thread that is dependent
 * and does not happen before it by other steps: there the two might have come the other way round, so there the
 * present thread is wanted as well. A thread that has been tried at a node sleeps below the next alternatives until a
 * dependent step wakes it. (Source: C. Flanagan, P. Godefroid, POPL 2005; P. Godefroid, 1996.) */

static struct tree all;
static uintptr_t touched[TOUCHED]; /* words, shifted left, with the lowest bit for a write */
static uint32_t touched_count;
static bool step_open;
static uint32_t enabled_by_step; /* threads that it has started or woken */

/* The last step that touched a word, by thread; of the present schedule. Index of the node plus one. */
struct toucher {
    uintptr_t word;
    uint32_t schedule, last_write, writer;
    uint32_t in_step, entry; /* the step that touches it now, as node plus one; where in `touched` */
    uint32_t last_read[THREADS];
};
enum { TOUCHERS = 1 << 12 };
static struct toucher touchers[TOUCHERS];
static uint32_t all_schedule, touchers_used;
static struct clock order[THREADS]; /* of each thread: the steps (nodes plus one) before its next */
static struct clock written[NODES]; /* of each node: the steps that happen before its end */

static struct toucher *toucher_of(uintptr_t word)
{
    for (size_t i = (size_t)(word * 0x9E3779B97F4A7C15u >> 40) & (TOUCHERS - 1);;
         i = (i + 1) & (TOUCHERS - 1)) {
        struct toucher *t = &touchers[i];
        if (t->schedule != all_schedule) {
            if (++touchers_used > TOUCHERS / 4 * 3)
                chengi_explore_fail(CHENG_EXPLORE_ERROR, 0, 0, "one schedule has more than %d atomic words",
                                    TOUCHERS / 4 * 3);
            memset(t, 0, sizeof *t);
            t->schedule = all_schedule;
            t->word = word;
            return t;
        }
        if (t->word == word)
            return t;
    }
}

static bool independent(struct footprint a, struct footprint b)
{
    for (uint32_t i = a.first; i < a.first + a.count; i++)
        for (uint32_t j = b.first; j < b.first + b.count; j++)
            if (touched[i] >> 1 == touched[j] >> 1 && ((touched[i] | touched[j]) & 1))
                return false;
    return true;
}

/* The node where the step began that node `index` is in: other choices divide a step. NULL: before the first. */
static struct node *beginning(uint32_t index)
{
    while (index > 0 && !all.nodes[index].of_threads)
        index--;
    return all.nodes[index].of_threads ? &all.nodes[index] : NULL;
}

/* A step of `thread` might have come before step `other`: then it must be tried there. */
static void might_swap(uint32_t other, unsigned thread)
{
    struct node *node = beginning(other);
    if (node != NULL)
        node->wanted |= node->enabled & BIT(thread) ? BIT(thread) : node->enabled;
}

static void join_order(struct clock *to, const struct clock *from)
{
    for (unsigned i = 0; i < E.thread_count; i++)
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
}

/* The present step is complete. */
static void end_step(void)
{
    if (!step_open)
        return;
    step_open = false;
    uint32_t index = all.depth - 1;
    struct node *node = &all.nodes[index];
    unsigned self = node->thread;
    node->footprint.count = touched_count - node->footprint.first;
    struct clock before = order[self], after = before;
    for (uint32_t i = node->footprint.first; i < touched_count; i++) {
        bool write = touched[i] & 1;
        struct toucher *t = toucher_of(touched[i] >> 1);
        if (t->last_write != 0 && t->writer != self) {
            if (before.at[t->writer] < t->last_write)
                might_swap(t->last_write - 1, self);
            join_order(&after, &written[t->last_write - 1]);
        }
        for (unsigned u = 0; write && u < E.thread_count; u++)
            if (u != self && t->last_read[u] != 0) {
                if (before.at[u] < t->last_read[u])
                    might_swap(t->last_read[u] - 1, self);
                join_order(&after, &written[t->last_read[u] - 1]);
            }
    }
    after.at[self] = index + 1;
    order[self] = written[index] = after;
    for (; enabled_by_step != 0; enabled_by_step &= enabled_by_step - 1)
        join_order(&order[__builtin_ctz(enabled_by_step)], &after);
    for (uint32_t i = node->footprint.first; i < touched_count; i++) {
        struct toucher *t = toucher_of(touched[i] >> 1);
        if (touched[i] & 1) {
            t->last_write = index + 1;
            t->writer = self;
        }
        t->last_read[self] = index + 1;
    }
}

void chengi_strategy_touch(uintptr_t address, bool write)
{
    if (!step_open || address == 0)
        return;
    struct toucher *t = toucher_of(address >> 2);
    if (t->in_step == all.depth) {
        touched[t->entry] |= write;
    } else if (touched_count < TOUCHED) {
        t->in_step = all.depth;
        t->entry = touched_count;
        touched[touched_count++] = address >> 2 << 1 | write;
    } else {
        all.cut = true;
    }
}

/* What the thread does next comes after the present step. */
void chengi_strategy_enable(unsigned thread)
{
    enabled_by_step |= BIT(thread);
}

/* The present step wakes it. Its deadline might have passed just before: no step to come can tell. */
void chengi_strategy_forestall(unsigned thread)
{
    struct node *node = step_open ? beginning(all.depth - 1) : NULL;
    if (node != NULL)
        node->wanted |= node->enabled & BIT(thread);
}

/* The test ends, and with it those who could go on: they might have, before. And what the last step touches counts, too. */
void chengi_strategy_end(void)
{
    if (!step_open)
        return;
    end_step();
    struct node *node = beginning(all.depth - 1);
    if (node != NULL)
        node->wanted |= node->enabled & E.ready & ~E.idle;
}

static bool all_begin(void)
{
    all.depth = 0;
    step_open = false;
    enabled_by_step = 0;
    touchers_used = 0;
    all_schedule++;
    memset(order, 0, sizeof order);
    if (!all.begun) {
        all.begun = true;
        return true;
    }
    for (; all.count > 0; all.count--) {
        struct node *node = &all.nodes[all.count - 1];
        uint32_t left = node->wanted & ~node->tried & ~node->sleeping;
        if (left != 0) {
            if (node->of_threads) {
                node->slept[node->chosen] = node->footprint;
                node->footprint.first += node->footprint.count;
            }
            node->chosen = (uint32_t)__builtin_ctz(left);
            node->tried |= BIT(node->chosen);
            return true;
        }
    }
    all.done = !all.cut && !all.cut_time;
    return false;
}

static struct node *next_node(uint32_t options, uint32_t fallback, bool of_threads)
{
    struct node *node = &all.nodes[all.depth];
    if (all.depth < all.count) {
        if (node->enabled != options)
            tree_mismatch();
        all.depth++;
        return node;
    }
    if (all.count == NODES)
        chengi_explore_fail(CHENG_FOUND_LIVELOCK, 0, 0, "more than %d choices", NODES);
    node->enabled = options;
    node->of_threads = of_threads;
    node->sleeping = node->divided = 0;
    node->chosen = fallback;
    node->tried = 0;
    all.count++;
    all.depth++;
    return node;
}

/* Who sleeps at a new node: who slept or was tried at the last one, unless a step since has woken it. */
static void put_to_sleep(struct node *node)
{
    struct node *last = node;
    while (last > all.nodes && !(--last)->of_threads)
        continue;
    if (last == node || !last->of_threads)
        return;
    /* what a divided step touches is not known as a whole: it cannot sleep */
    uint32_t asleep = (last->sleeping | (last->tried & ~last->divided)) & ~BIT(last->chosen);
    for (uint32_t m = asleep; m != 0; m &= m - 1) {
        unsigned thread = (unsigned)__builtin_ctz(m);
        bool sleeps = true;
        for (struct node *n = last; n < node && sleeps; n++)
            sleeps = independent(last->slept[thread], n->footprint);
        if (sleeps) {
            node->sleeping |= BIT(thread);
            node->slept[thread] = last->slept[thread];
        }
    }
}

static void begin_step(struct node *node, bool fresh, unsigned thread)
{
    node->thread = (uint8_t)thread;
    if (fresh)
        node->footprint.first = touched_count;
    else
        touched_count = node->footprint.first;
    step_open = true;
}

static unsigned all_pick(uint32_t enabled, unsigned fallback, bool forced)
{
    (void)forced;
    end_step();
    bool fresh = all.depth == all.count;
    enabled = options(enabled, fallback, &all.cut_time);
    struct node *node = next_node(enabled, fallback, true);
    if (fresh) {
        put_to_sleep(node);
        uint32_t awake = enabled & ~node->sleeping;
        if (awake == 0) {
            all.count--;
            all.depth--;
            E.pruned = true;
            chengi_explore_finish();
        }
        node->chosen = awake & BIT(fallback) ? fallback : (uint32_t)__builtin_ctz(awake);
        node->tried = node->wanted = BIT(node->chosen);
    }
    begin_step(node, fresh, node->chosen);
    return node->chosen;
}

/* A node of its own, in which the step goes on. */
static unsigned all_choose(unsigned n)
{
    end_step();
    bool fresh = all.depth == all.count;
    struct node *node = next_node((n >= 32 ? 0 : BIT(n)) - 1, 0, false), *first = beginning(all.depth - 1);
    if (first != NULL)
        first->divided |= BIT(first->chosen);
    if (fresh) {
        node->tried = 1;
        node->wanted = node->enabled;
    }
    begin_step(node, fresh, E.current->id);
    return node->chosen;
}

static bool all_complete(void)
{
    return all.done;
}

const struct strategy chengi_strategy_all = { all_begin, all_pick, all_choose, all_complete };

void chengi_strategy_reset(void)
{
    bounded.count = bounded.depth = all.count = all.depth = 0;
    bounded.begun = bounded.cut = bounded.cut_time = bounded.done = false;
    all.begun = all.cut = all.cut_time = all.done = false;
    bound = 0;
    touched_count = 0;
    step_open = false;
}
