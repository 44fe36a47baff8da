/* cheng_explore: schedule after schedule until a finding; then the shortest that shows it, and its report. */
#include "host/explore/engine.h"

#include <cheng/incident.h>
#include <cheng/task.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#define E chengi_engine

static int prepared;

/* Addresses must be the same in every process, so the program begins again without their randomisation. */
static void fix_addresses(char **argv)
{
    int present = personality(0xffffffff);
    if (present == -1 || (present & ADDR_NO_RANDOMIZE) || getenv("CHENG_EXPLORE_FIXED") != NULL)
        return;
    if (personality((unsigned long)present | ADDR_NO_RANDOMIZE) == -1)
        return; /* forbidden here: replay strings hold in this process only */
    setenv("CHENG_EXPLORE_FIXED", "1", 1);
    execve("/proc/self/exe", argv, environ);
}

/* Before the program allocates anything. */
__attribute__((constructor(101))) static void begin(int argc, char **argv)
{
    (void)argc;
    fix_addresses(argv);
    prepared = chengi_world_prepare();
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* the real one: nothing is explored at the moment */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- options ---- */

static const struct {
    const char *word;
    enum cheng_explore_strategy strategy;
} strategies[] = {
    { "mix", CHENG_EXPLORE_MIX },         { "random", CHENG_EXPLORE_RANDOM }, { "pct", CHENG_EXPLORE_PCT },
    { "bounded", CHENG_EXPLORE_BOUNDED }, { "all", CHENG_EXPLORE_ALL },
};

static bool set_option(cheng_explore_options *o, const char *key, const char *value)
{
    char *end;
    unsigned long long number = strtoull(value, &end, 0);
    if (strcmp(key, "strategy") == 0) {
        for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++)
            if (strcmp(strategies[i].word, value) == 0) {
                o->strategy = strategies[i].strategy;
                return true;
            }
        return false;
    }
    if (end == value || *end != '\0')
        return false;
    if (strcmp(key, "seed") == 0)
        o->seed = number;
    else if (strcmp(key, "schedules") == 0)
        o->schedules = number;
    else if (strcmp(key, "seconds") == 0)
        o->time = (cheng_duration)number * CHENG_SECOND;
    else if (strcmp(key, "preemptions") == 0)
        o->preemptions = (unsigned)number;
    else if (strcmp(key, "steps") == 0)
        o->steps = (unsigned)number;
    else if (strcmp(key, "cpus") == 0)
        o->cpus = (unsigned)number;
    else if (strcmp(key, "spurious") == 0)
        o->spurious = (unsigned)number;
    else if (strcmp(key, "failures") == 0)
        o->failures = (unsigned)number;
    else if (strcmp(key, "inside") == 0)
        o->inside = number != 0;
    else if (strcmp(key, "races") == 0)
        o->races = number != 0;
    else if (strcmp(key, "quiet") == 0)
        o->quiet = number != 0;
    else
        return false;
    return true;
}

static bool read_environment(cheng_explore_options *o)
{
    const char *given = getenv("CHENG_EXPLORE");
    char text[256], *rest = text, *word;
    if (given == NULL)
        return true;
    snprintf(text, sizeof text, "%s", given);
    while ((word = strtok_r(rest, " ,", &rest)) != NULL) {
        char *value = strchr(word, '=');
        if (value != NULL)
            *value++ = '\0';
        if (value == NULL || !set_option(o, word, value)) {
            if (value != NULL)
                value[-1] = '=';
            fprintf(stderr, "cheng-explore: CHENG_EXPLORE: what is \"%s\"?\n", word);
            return false;
        }
    }
    return true;
}

static void fill_in(cheng_explore_options *o)
{
    o->name = o->name == NULL ? "test" : o->name;
    o->seed += o->seed == 0;
    o->schedules = o->schedules == 0 ? 10000 : o->schedules;
    o->time = o->time == 0 ? 10 * CHENG_SECOND : o->time;
    o->preemptions = o->preemptions == 0 ? 2 : o->preemptions;
    o->steps = o->steps == 0 ? 20000 : o->steps < STEPS_MOST ? o->steps : STEPS_MOST - 1;
    o->cpus = o->cpus == 0 ? 2 : o->cpus;
}

/* ---- replay strings: NAME:SEED[r][p]:DEPARTURES ---- */

void chengi_report_script(const struct script *script, char *text, size_t size)
{
    int length = snprintf(text, size, "%s:%llu%s%s:", E.options.name, (unsigned long long)E.options.seed,
                          E.reuse ? "r" : "", E.patient ? "p" : "");
    for (unsigned i = 0; i < script->count && length > 0 && (size_t)length < size; i++) {
        const struct departure *d = &script->list[i];
        length += snprintf(text + length, size - (size_t)length, "%s%u.%u%c%u", i == 0 ? "" : ",", d->thread,
                           d->step, d->kind, d->value);
    }
    if (length < 0 || (size_t)length >= size)
        text[0] = '\0';
}

/* False: it is not for this test. */
static bool read_script(const char *text, struct script *script)
{
    size_t length = strlen(E.options.name);
    unsigned long long seed;
    int n;
    if (strncmp(text, E.options.name, length) != 0 || text[length] != ':')
        return false;
    text += length + 1;
    if (sscanf(text, "%llu%n", &seed, &n) != 1)
        return false;
    E.options.seed = seed;
    text += n;
    E.reuse = *text == 'r';
    text += E.reuse;
    E.patient = *text == 'p';
    text += E.patient;
    text += *text == ':';
    for (script->count = 0; script->count < DEPARTURES; text += n + (text[n] == ',')) {
        unsigned thread, step, value;
        char kind;
        if (sscanf(text, "%u.%u%c%u%n", &thread, &step, &kind, &value, &n) != 4)
            break;
        script->list[script->count++] = (struct departure){ step, (uint8_t)thread, kind, (uint8_t)value };
    }
    return true;
}

/* ---- the test's own output: once, when it is told what was found ---- */

static void hide_output(int saved[2])
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(NULL);
    for (int fd = 1; fd <= 2; fd++) {
        saved[fd - 1] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (nowhere >= 0)
            dup2(nowhere, fd);
    }
    if (nowhere >= 0)
        close(nowhere);
}

static void show_output(const int saved[2])
{
    fflush(NULL);
    for (int fd = 1; fd <= 2; fd++)
        if (saved[fd - 1] >= 0) {
            dup2(saved[fd - 1], fd);
            close(saved[fd - 1]);
        }
}

/* ---- exploring ---- */

static const struct strategy *strategy_for(uint64_t schedule)
{
    static const struct strategy *const mix[] = { &chengi_strategy_pct, &chengi_strategy_all,
                                                  &chengi_strategy_pct, &chengi_strategy_random };
    switch (E.options.strategy) {
    case CHENG_EXPLORE_RANDOM:
        return &chengi_strategy_random;
    case CHENG_EXPLORE_PCT:
        return &chengi_strategy_pct;
    case CHENG_EXPLORE_BOUNDED:
        return &chengi_strategy_bounded;
    case CHENG_EXPLORE_ALL:
        return &chengi_strategy_all;
    default:
        return mix[schedule % 4];
    }
}

static bool systematic(const struct strategy *strategy)
{
    return strategy == &chengi_strategy_all || strategy == &chengi_strategy_bounded;
}

static void explore(cheng_explore_fn *test, void *arg, cheng_explore_result *result)
{
    double begin = seconds_now(), limit = (double)E.options.time / 1e9;
    /* runs: with those that are cut short, which must not keep the mix from its other strategies */
    for (uint64_t runs = 0; result->schedules < E.options.schedules; runs++) {
        E.strategy = strategy_for(runs);
        E.random = E.options.seed * 0x2545F4914F6CDD1Du + runs;
        E.reuse = !systematic(E.strategy) && chengi_explore_random() % 2;
        E.patient = !systematic(E.strategy) && chengi_explore_random() % 4 == 0;
        if (!E.strategy->begin()) {
            result->complete = E.strategy->complete() && !E.forgotten;
            if (result->complete || E.options.strategy != CHENG_EXPLORE_MIX)
                break;
            continue; /* it has left something out, which those by lot may meet */
        }
        E.events = 0;
        chengi_explore_run(test, arg);
        result->schedules += !E.pruned;
        result->events += E.events;
        result->steps += E.steps;
        if (E.finding.kind != CHENG_FOUND_NOTHING)
            break;
        if (runs % 16 == 15 && seconds_now() - begin > limit)
            break;
    }
    result->seconds = seconds_now() - begin;
}

static bool replay(cheng_explore_fn *test, void *arg, const struct script *script)
{
    if (script != &E.script)
        E.script = *script;
    E.strategy = NULL;
    chengi_explore_run(test, arg);
    return E.finding.kind != CHENG_FOUND_NOTHING;
}

static bool same(const struct finding *a, const struct finding *b)
{
    return a->kind == b->kind && (a->pc == b->pc || a->pc == b->other_pc);
}

/* Leaves departures out, many at a time and then fewer, for as long as the same is found. (Source: A. Zeller's delta
 * debugging, 2002.) */
static void shorten(cheng_explore_fn *test, void *arg, const struct finding *finding, struct script *best)
{
    static struct script attempt;
    for (unsigned length = best->count; length > 0;) {
        bool shorter = false;
        for (unsigned at = 0; at + length <= best->count;) {
            attempt.count = best->count - length;
            memcpy(attempt.list, best->list, at * sizeof *best->list);
            memcpy(attempt.list + at, best->list + at + length,
                   (best->count - at - length) * sizeof *best->list);
            if (replay(test, arg, &attempt) && same(&E.finding, finding)) {
                *best = E.taken.count < attempt.count ? E.taken : attempt;
                shorter = true;
            } else {
                at++;
            }
        }
        if (length > best->count)
            length = best->count;
        else if (length > 1)
            length /= 2;
        else if (!shorter)
            break;
    }
}

/* What cannot be left out may still have come about in a simpler way: looks for the same among the orders with fewer
 * preemptions, for as long as that takes no time to speak of. */
static void simplify(cheng_explore_fn *test, void *arg, const struct finding *finding, struct script *best)
{
    enum { STEPS = 50000 };
    chengi_strategy_reset();
    E.strategy = &chengi_strategy_bounded;
    E.options.preemptions = best->count - 1;
    for (uint64_t steps = 0; best->count > 1 && steps < STEPS && E.strategy->begin(); steps += E.steps) {
        chengi_explore_run(test, arg);
        if (same(&E.finding, finding) && E.taken.count < best->count) {
            *best = E.taken;
            shorten(test, arg, finding, best);
            return;
        }
    }
}

static void deadlock_found(const cheng_incident *incident)
{
    if (incident->kind >= CHENG_FAILURE)
        return;
    chengi_explore_fail(incident->kind == CHENG_DEADLOCK ? CHENG_FOUND_DEADLOCK : CHENG_FOUND_FAILURE, 0, 0,
                        "%s", incident->report);
}

static enum cheng_finding investigate(cheng_explore_fn *test, void *arg, cheng_explore_result *result)
{
    static struct script script;
    const char *given = getenv("CHENG_REPLAY");
    struct finding finding = { .kind = CHENG_FOUND_NOTHING };
    int saved[2];
    if (given != NULL && !read_script(given, &script)) {
        fprintf(stderr, "cheng-explore: %s: not run: CHENG_REPLAY is for another test\n", E.options.name);
        return CHENG_FOUND_NOTHING;
    }
    hide_output(saved);
    if (given == NULL) {
        explore(test, arg, result);
        finding = E.finding;
        result->finding = finding.kind;
        script = E.taken;
        if (finding.kind != CHENG_FOUND_NOTHING && finding.kind != CHENG_EXPLORE_ERROR &&
            finding.kind != CHENG_FOUND_DIFFERENCE) {
            result->replays = replay(test, arg, &script) && same(&E.finding, &finding);
            if (result->replays) {
                shorten(test, arg, &finding, &script);
                simplify(test, arg, &finding, &script);
            }
        }
    }
    if (!E.options.quiet)
        show_output(saved);
    if (given != NULL || result->replays) {
        E.tracing = !E.options.quiet;
        replay(test, arg, &script);
        E.tracing = false;
        result->replays = E.finding.kind != CHENG_FOUND_NOTHING;
        if (given != NULL || result->replays)
            finding = E.finding;
        result->finding = finding.kind;
    }
    if (E.options.quiet)
        show_output(saved);
    fflush(NULL);
    if (given == NULL && finding.kind == CHENG_FOUND_NOTHING)
        return finding.kind;
    E.finding = finding;
    result->departures = script.count;
    chengi_report_script(&script, result->replay, sizeof result->replay);
    if (!E.options.quiet)
        chengi_report(&script, result);
    return finding.kind;
}

enum cheng_finding cheng_explore(cheng_explore_fn *test, void *arg, const cheng_explore_options *options)
{
    cheng_explore_result result = { .finding = CHENG_FOUND_NOTHING };
    if (E.running) {
        fprintf(stderr, "cheng-explore: cheng_explore within cheng_explore\n");
        return CHENG_EXPLORE_ERROR;
    }
    E.options = options == NULL ? (cheng_explore_options){ 0 } : *options;
    if (test == NULL || !read_environment(&E.options))
        return CHENG_EXPLORE_ERROR;
    fill_in(&E.options);
    int rc = prepared < 0 ? prepared : chengi_explore_prepare();
    if (rc < 0) {
        fprintf(stderr, "cheng-explore: %s\n", strerror(-rc));
        return CHENG_EXPLORE_ERROR;
    }
    E.seen = E.forgotten = false;
    (void)cheng_current(); /* the library is awake, and need not be woken in each schedule */
    cheng_incident_hook *before = cheng_set_incident_hook(deadlock_found);
    chengi_strategy_reset();
    E.longest = 0;
    chengi_world_begin();
    result.finding = investigate(test, arg, &result);
    cheng_set_incident_hook(before);
    if (!E.seen && result.finding == CHENG_FOUND_NOTHING && result.schedules != 0) {
        fprintf(stderr, "cheng-explore: %s: not compiled with -fsanitize=thread: nothing of it can be seen\n",
                E.options.name);
        result.finding = CHENG_EXPLORE_ERROR;
    }
    if (E.options.result != NULL)
        *E.options.result = result;
    return result.finding;
}
