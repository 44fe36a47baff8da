/* Makes each call of the library to libc fail, in each scenario that makes it, with each errno that it may give:
 * ./dev fault. First every scenario runs without a failure, which shows what it reaches. Then there is a process
 * for each (scenario, site, error): the first call from the site fails, or the last one; with CHENG_LONG=1, each call in turn, 250 at
 * the most.
 *
 * A run passes if nothing crashed or hung, the scenario gave 0 or an error that its header promises, the second
 * attempt gave 0, and no more memory, mappings, descriptors or threads are left than without a failure.
 *
 *     fail [--only PREFIX] [SCENARIO]      all, or that one; only calls whose names begin so */
#include <cheng.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "inject.h"
#include "scenario.h"

enum { CLEAN_RUNS = 3, LANES = 10, ATTEMPTS = 3, CALLS_MAX = 250, GIVEN_MAX = 24, WORDS_MAX = 2000 };
static const int64_t hang_ms = 10000, settle_ms = 2000;

static struct scenario *scenarios;
static bool given[SITES_MAX][GIVEN_MAX]; /* by site: its rules' errors, in their order */
static unsigned passed, failed, skipped;
static bool every_call; /* CHENG_LONG=1 */
static const char *only = "";

void scenario_register(struct scenario *scenario)
{
    struct scenario **end = &scenarios;
    while (*end != NULL)
        end = &(*end)->next;
    *end = scenario;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* ---- sites ---- */

static bool load_sites(void)
{
    char line[512], name[64];
    bool all_known = true;
    snprintf(line, sizeof line, "%s /proc/%d/exe %s %s", FAIL_SITES, (int)getpid(), FAIL_LIBRARY, FAIL_ROOT);
    FILE *list = popen(line, "r");
    while (list != NULL && fgets(line, sizeof line, list) != NULL && site_count < SITES_MAX) {
        struct site *site = &sites[site_count];
        unsigned long address;
        if (sscanf(line, "other: %63s", name) == 1) {
            if (!is_harmless(name))
                printf("%s: not known to errors.c\n", name), all_known = false;
        } else if (sscanf(line, "%lx %39s %47s %63s", &address, site->call, site->in, site->where) == 4) {
            site->address = address;
            site_count++;
            if (next_rule(site->call, site->in, NULL) == NULL)
                printf("%s at %s: no row in errors.c\n", site->call, site->where), all_known = false;
        }
    }
    return list != NULL && pclose(list) == 0 && site_count > 0 && all_known;
}

static bool may_fail(int site)
{
    return strncmp(sites[site].call, only, strlen(only)) == 0 &&
           next_rule(sites[site].call, sites[site].in, NULL)->never == NULL;
}

static const char *error_name(int error)
{
    static char text[24];
    if (error > 0 && error < PART)
        return strerrorname_np(error);
    snprintf(text, sizeof text, error == PART ? "a part" : "EAI %d", error);
    return text;
}

/* ---- one run, in its own process ---- */

static bool promised(const struct scenario *scenario, int rc)
{
    for (int i = 0; i < PROMISED_MAX && scenario->promised[i] != 0; i++)
        if (-scenario->promised[i] == rc)
            return true;
    return rc == 0;
}

static bool balanced(const struct run *clean, char *trouble, size_t room)
{
    inject_balance();
    for (int i = 0; i < site_count; i++)
        if (run->live[i] > clean->live[i]) {
            snprintf(trouble, room, "leak: %u instead of %u made by %s at %s", run->live[i], clean->live[i],
                     sites[i].call, sites[i].where);
            return false;
        }
    if (run->descriptors > clean->descriptors || run->threads > clean->threads) {
        snprintf(trouble, room, "leak: %u descriptors instead of %u, %u threads instead of %u",
                 run->descriptors, clean->descriptors, run->threads, clean->threads);
        return false;
    }
    return true;
}

static _Noreturn void perform(const struct scenario *scenario, struct run *orders, const struct run *clean)
{
    struct timespec pause = { .tv_nsec = 1000000 };
    uint32_t hits[SITES_MAX];
    run = orders;
    int first = scenario->body();
    memcpy(hits, run->hits, sizeof hits);
    run->fault.site = -1;
    if (!promised(scenario, first))
        snprintf(run->trouble, sizeof run->trouble, "gave %d (%s), which no header promises", first,
                 cheng_strerror(first));
    int second = scenario->body();
    if (second != 0 && run->trouble[0] == '\0')
        snprintf(run->trouble, sizeof run->trouble, "tried again, it gave %d (%s), after %d", second,
                 cheng_strerror(second), first);
    char trouble[sizeof run->trouble] = "";
    /* What ends by itself, threads above all, has so much time. What has not ended after a run without failures is counted as
     * what such a run leaves: then the comparison is laxer, never wrong. */
    int64_t until = now_ms() + (clean == NULL ? 50 : settle_ms);
    while ((clean == NULL || !balanced(clean, trouble, sizeof trouble)) && now_ms() < until)
        nanosleep(&pause, NULL);
    if (clean == NULL)
        inject_balance();
    else if (run->trouble[0] == '\0' && !balanced(clean, trouble, sizeof trouble))
        memcpy(run->trouble, trouble, sizeof trouble);
    memcpy(run->hits, hits, sizeof hits); /* of the attempt that counts */
    run->finished = 1;
    _exit(0);
}

/* ---- lanes: what runs at the same time ---- */

struct job {
    struct scenario *scenario;
    struct fault fault;
    bool *given;
};

static struct lane {
    struct job job;
    struct run *run;
    pid_t pid; /* 0: idle */
    int words; /* what it writes to standard error */
    int attempt;
    int64_t began_ms;
} lanes[LANES];

static struct fault handicap_of(const struct scenario *scenario)
{
    int which = scenario->handicap.which;
    for (int i = 0; scenario->handicap.call != NULL && i < site_count; i++)
        if (strcmp(sites[i].call, scenario->handicap.call) == 0 &&
            strcmp(sites[i].in, scenario->handicap.in) == 0 && which-- == 0)
            return (struct fault){ i, scenario->handicap.error, 1, true };
    return (struct fault){ .site = -1 };
}

static void launch(struct lane *lane)
{
    memset(lane->run, 0, sizeof *lane->run);
    lane->run->fault = lane->job.fault;
    lane->run->handicap = handicap_of(lane->job.scenario);
    (void)!ftruncate(lane->words, 0);
    lane->began_ms = now_ms();
    lane->pid = fork();
    if (lane->pid == 0) {
        setpgid(0, 0);
        dup2(lane->words, STDERR_FILENO);
        dup2(lane->words, STDOUT_FILENO);
        perform(lane->job.scenario, lane->run, lane->job.fault.site < 0 ? NULL : lane->job.scenario->clean);
    }
    setpgid(lane->pid, lane->pid);
}

static void read_words(const struct lane *lane, char words[WORDS_MAX])
{
    ssize_t n = pread(lane->words, words, WORDS_MAX - 1, 0);
    words[n < 0 ? 0 : n] = '\0';
}

/* NULL: all is well. */
static const char *judge(const struct lane *lane, int status, const char *words)
{
    static char text[64];
    int site = lane->job.fault.site;
    bool may_end = site >= 0 &&
                   (lane->job.scenario->may_end || next_rule(sites[site].call, sites[site].in, NULL)->fatal);
    if (may_end && strstr(words, LAST_WORDS) != NULL)
        return NULL;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return "hangs";
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0 || !lane->run->finished)
        snprintf(text, sizeof text, "ended with %d", WEXITSTATUS(status));
    else
        return lane->run->trouble[0] == '\0' ? NULL : lane->run->trouble;
    return text;
}

static void tell(const struct lane *lane, const char *trouble, const char *words)
{
    const struct fault *fault = &lane->job.fault;
    printf("FAILED: %s", lane->job.scenario->name);
    if (fault->site >= 0)
        printf(", %s at %s (%s), call %u%s, %s", sites[fault->site].call, sites[fault->site].where,
               sites[fault->site].in, fault->nth, fault->lasting ? " and all after it" : "",
               error_name(fault->error));
    printf(": %s\n%s", trouble, words);
}

static void raise_to(uint32_t *most, uint32_t value)
{
    *most = value > *most ? value : *most;
}

/* A run without a failure: the most that such a run reaches and leaves. */
static void keep_clean(struct run *clean, const struct run *of)
{
    for (int s = 0; s < site_count; s++) {
        raise_to(&clean->live[s], of->live[s]);
        raise_to(&clean->hits[s], of->hits[s]);
    }
    raise_to(&clean->descriptors, of->descriptors);
    raise_to(&clean->threads, of->threads);
}

/* What it forked and left; and its arena, if it died. */
static void clean_up_after(pid_t pid)
{
    char path[64];
    kill(-pid, SIGKILL);
    snprintf(path, sizeof path, "/dev/shm/cheng-fail-%d", (int)pid);
    unlink(path);
}

static void finish(struct lane *lane, int status)
{
    char words[WORDS_MAX];
    read_words(lane, words);
    const char *trouble = judge(lane, status, words);
    bool missed = trouble == NULL && lane->run->fired == 0 && lane->job.fault.site >= 0;
    bool leaks = trouble == lane->run->trouble && strncmp(trouble, "leak", 4) == 0;
    clean_up_after(lane->pid);
    lane->pid = 0;
    if (lane->job.fault.site < 0 && trouble == NULL)
        keep_clean(lane->job.scenario->clean, lane->run);
    if (lane->run->fired != 0)
        *lane->job.given = true;
    if ((missed || leaks) && ++lane->attempt < ATTEMPTS)
        launch(lane); /* nobody came by this time; or which worker a task ran on made the difference */
    else if (missed)
        ; /* it makes one call less at times: not a case */
    else if (trouble == NULL)
        passed++, lane->job.scenario->passed++;
    else
        failed++, tell(lane, trouble, words);
}

/* Waits until a lane is idle, or `all`. */
static struct lane *idle_lane(bool all)
{
    struct timespec pause = { .tv_nsec = 300000 };
    for (;;) {
        struct lane *idle = NULL;
        unsigned busy = 0;
        for (int i = 0; i < LANES; i++) {
            struct lane *lane = &lanes[i];
            int status;
            if (lane->pid != 0 && waitpid(lane->pid, &status, WNOHANG) == lane->pid)
                finish(lane, status);
            else if (lane->pid != 0 && now_ms() - lane->began_ms > hang_ms)
                kill(-lane->pid, SIGKILL);
            busy += lane->pid != 0;
            if (lane->pid == 0)
                idle = lane;
        }
        if (idle != NULL && (!all || busy == 0))
            return idle;
        nanosleep(&pause, NULL);
    }
}

/* ---- the plan ---- */

static void plan(const struct job *job)
{
    struct lane *lane = idle_lane(false);
    lane->job = *job;
    lane->attempt = 0;
    launch(lane);
}

/* The first call and the last one, or every one; and, of what may last, the first and all after it. */
static void plan_error(struct job job, bool lasting)
{
    uint32_t calls = job.scenario->clean->hits[job.fault.site], *nth = &job.fault.nth;
    for (*nth = 1; *nth <= calls; ++*nth)
        if (*nth == 1 || *nth == calls || (every_call && *nth <= CALLS_MAX))
            plan(&job);
    *nth = 1;
    job.fault.lasting = true;
    if (lasting)
        plan(&job);
}

static void plan_scenario(struct scenario *scenario)
{
    for (int s = 0; s < site_count; s++) {
        const struct rule *rule = NULL;
        bool *next = given[s];
        if (scenario->clean->hits[s] == 0 || !may_fail(s) || s == handicap_of(scenario).site)
            continue;
        while ((rule = next_rule(sites[s].call, sites[s].in, rule)) != NULL)
            for (int e = 0; e < ERRORS_MAX && rule->errors[e] != 0; e++)
                plan_error((struct job){ scenario, { .site = s, .error = rule->errors[e] }, next++ },
                           rule->lasting);
    }
}

static void plan_clean(struct scenario *scenario)
{
    scenario->clean = calloc(1, sizeof *scenario->clean);
    for (int i = 0; i < CLEAN_RUNS; i++)
        plan(&(struct job){ scenario, { .site = -1 }, NULL });
}

/* A site that no scenario reaches, and an error that was never given, are skipped cases. */
static void summary(void)
{
    unsigned reached = 0, total = 0, never = 0, errors = 0, missing = 0;
    for (int s = 0; s < site_count; s++) {
        const struct rule *rule = NULL;
        unsigned of_site = 0, possible = 0;
        if (strncmp(sites[s].call, only, strlen(only)) != 0)
            continue;
        while ((rule = next_rule(sites[s].call, sites[s].in, rule)) != NULL && rule->never == NULL)
            for (int e = 0; e < ERRORS_MAX && rule->errors[e] != 0; e++)
                of_site += given[s][possible++];
        if (rule != NULL) {
            printf("never fails: %s at %s: %s\n", sites[s].call, sites[s].where, rule->never);
            never++;
            continue;
        }
        if (of_site != possible)
            printf("%s: %s at %s (%s)\n", of_site == 0 ? "not reached" : "not with every error",
                   sites[s].call, sites[s].where, sites[s].in);
        total++;
        reached += of_site != 0;
        errors += of_site;
        missing += possible - of_site;
    }
    skipped += missing;
    printf("errors given %u / total %u; %u sites never fail\n", errors, errors + missing, never);
    printf("sites reached %u / total %u\n%u passed, %u failed, %u skipped\n", reached, total, passed, failed,
           skipped);
}

int main(int argc, char **argv)
{
    const char *asked = getenv("CHENG_LONG");
    if (argc > 2 && strcmp(argv[1], "--only") == 0) {
        only = argv[2];
        argc -= 2, argv += 2;
    }
    every_call = asked != NULL && strcmp(asked, "1") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!load_sites())
        return 1;
    for (int i = 0; i < LANES; i++) {
        lanes[i].run = shared_memory(sizeof *lanes[i].run);
        lanes[i].words = memfd_create("words", MFD_CLOEXEC);
        fcntl(lanes[i].words, F_SETFL, O_APPEND);
    }
    for (struct scenario *scenario = scenarios; scenario != NULL; scenario = scenario->next)
        if (argc == 1 || strcmp(argv[1], scenario->name) == 0)
            plan_clean(scenario);
    idle_lane(true);
    for (struct scenario *scenario = scenarios; scenario != NULL; scenario = scenario->next)
        if (scenario->clean != NULL)
            plan_scenario(scenario);
    idle_lane(true);
    for (const struct scenario *scenario = scenarios; scenario != NULL; scenario = scenario->next)
        if (scenario->clean != NULL)
            printf("%s: %u runs passed\n", scenario->name, scenario->passed);
    summary();
    return failed != 0;
}
