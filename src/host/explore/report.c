/* What is printed of a finding. Lines come from addr2line, which every compiler's package brings. */
#include "host/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define E chengi_engine

static const char *const findings[] = {
    "nothing",  "data race",     "deadlock", "failure",    "crash", "use after free",
    "bad free", "out of bounds", "livelock", "difference", "error",
};

/* "function file:line" of each address, in one call of addr2line. */
enum { PLACES = 4096, TEXT = 160 };
static struct {
    uintptr_t pc;
    char text[TEXT];
} places[PLACES];
static unsigned place_count;

static unsigned place_of(uintptr_t pc)
{
    for (unsigned i = 0; i < place_count; i++)
        if (places[i].pc == pc)
            return i;
    if (place_count == PLACES)
        return 0;
    places[place_count].pc = pc;
    return place_count++;
}

/* Only the end of a long path. */
static void shorten_path(char *text)
{
    char *slash, *at = strstr(text, " at ");
    if (at == NULL || (slash = strrchr(at, '/')) == NULL)
        return;
    while (slash > at + 4 && slash[-1] != '/')
        slash--;
    memmove(at + 4, slash, strlen(slash) + 1);
}

static void look_up(void)
{
    char program[512], line[1024];
    uintptr_t base = chengi_world_load_address();
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return;
    program[length] = '\0';
    for (unsigned from = 0; from < place_count;) {
        static char command[1 << 16];
        unsigned to = from;
        int used = snprintf(command, sizeof command, "addr2line -fpe '%s'", program);
        for (; to < place_count && used < (int)sizeof command - 32;
             to++) /* the call, not where it returns to */
            used += snprintf(command + used, sizeof command - (size_t)used, " %#lx",
                             (unsigned long)(places[to].pc - base - 1));
        used += snprintf(command + used, sizeof command - (size_t)used, " 2>/dev/null");
        FILE *answer = popen(command, "r");
        for (; from < to; from++) {
            if (answer == NULL || fgets(line, sizeof line, answer) == NULL || line[0] == '?') {
                snprintf(places[from].text, TEXT, "%#lx", (unsigned long)places[from].pc);
                continue;
            }
            line[strcspn(line, "\n")] = '\0';
            shorten_path(line);
            snprintf(places[from].text, TEXT, "%.150s", line);
        }
        if (answer != NULL)
            pclose(answer);
    }
}

static const char *text_of(uintptr_t pc)
{
    return pc == 0 ? "" : places[place_of(pc)].text;
}

/* The function alone. */
static const char *function_of(uintptr_t pc, char *room)
{
    snprintf(room, TEXT, "%.*s", (int)strcspn(text_of(pc), " "), text_of(pc));
    return room;
}

static bool is_worth_a_line(const struct event *event)
{
    if (event->kind == E_CHOICE || event->kind == E_SWITCH || event->kind == E_START ||
        event->kind == E_TIME_OUT)
        return true;
    if (E.options.inside)
        return event->kind != E_READ || (event->size & ATOMIC_EVENT);
    return event->pc == 0 || !chengi_explore_in_library(event->pc);
}

static void print_event(const struct event *event)
{
    char room[TEXT], callee[TEXT];
    static const char *const verbs[] = { "reads", "writes", "updates" };
    fprintf(stderr, "  %-14s ", E.threads[event->thread].name);
    switch (event->kind) {
    case E_READ:
    case E_WRITE:
    case E_UPDATE:
        fprintf(stderr, "%s %#lx (%u bytes%s) %s %#llx at %s", verbs[event->kind],
                (unsigned long)event->address, event->size & ~(unsigned)ATOMIC_EVENT,
                event->size & ATOMIC_EVENT ? ", atomic" : "",
                event->kind == E_WRITE && !(event->size & ATOMIC_EVENT) ? "over" : "=",
                (unsigned long long)event->value, text_of(event->pc));
        break;
    case E_CALL:
        fprintf(stderr, "calls %s at %s", function_of(event->callee, callee), text_of(event->pc));
        break;
    case E_WAIT:
        fprintf(stderr, "sleeps in %s", function_of(event->callee, room));
        break;
    case E_WAKE:
        fprintf(stderr, "wakes %s", E.threads[event->other].name);
        break;
    case E_TIME_OUT:
        fprintf(stderr, "its time is up");
        break;
    case E_START:
        fprintf(stderr, "starts %s", E.threads[event->other].name);
        break;
    case E_END:
        fprintf(stderr, "ends");
        break;
    case E_SWITCH:
        fprintf(stderr, "---- is preempted by %s ----", E.threads[event->other].name);
        break;
    case E_CHOICE:
        fprintf(stderr, "is told otherwise: choice %llu", (unsigned long long)event->value);
        break;
    default:
        break;
    }
    fputc('\n', stderr);
}

static void print_trace(void)
{
    enum { MOST = 400 };
    unsigned count = 0, skip;
    for (unsigned i = 0; i < E.trace_count; i++)
        count += is_worth_a_line(&E.trace[i]);
    skip = count > MOST ? count - MOST : 0;
    if (skip != 0)
        fprintf(stderr, "  (%u lines before these)\n", skip);
    for (unsigned i = 0; i < E.trace_count; i++)
        if (is_worth_a_line(&E.trace[i]) && (skip == 0 || skip-- == 0))
            print_event(&E.trace[i]);
}

static void print_threads(void)
{
    char callee[TEXT];
    for (unsigned i = 0; i < E.thread_count; i++) {
        const struct thread *thread = &E.threads[i];
        if (thread->state == ENDED)
            continue;
        fprintf(stderr, "  %-14s %s", thread->name, thread->state == WAITING ? "sleeps" : "can go on");
        if (thread->place.callee != 0)
            fprintf(stderr, " in %s, called at %s", function_of(thread->place.callee, callee),
                    text_of(thread->place.caller));
        fputc('\n', stderr);
    }
}

void chengi_report(const struct script *script, const cheng_explore_result *result)
{
    const struct finding *finding = &E.finding;
    place_count = 0;
    (void)place_of(finding->pc), (void)place_of(finding->other_pc);
    for (unsigned i = 0; i < E.thread_count; i++) {
        (void)place_of(E.threads[i].place.caller);
        (void)place_of(E.threads[i].place.callee);
    }
    for (unsigned i = 0; i < E.trace_count; i++)
        if (is_worth_a_line(&E.trace[i])) {
            (void)place_of(E.trace[i].pc);
            (void)place_of(E.trace[i].callee);
        }
    look_up();

    fprintf(stderr, "cheng-explore: %s: %s: %s\n", E.options.name, findings[finding->kind], finding->what);
    if (finding->other_pc != 0)
        fprintf(stderr, "  the first:  %s\n  the second: %s\n", text_of(finding->other_pc),
                text_of(finding->pc));
    else if (finding->pc != 0)
        fprintf(stderr, "  at %s\n", text_of(finding->pc));
    if (finding->kind == CHENG_FOUND_DEADLOCK || finding->kind == CHENG_FOUND_LIVELOCK)
        print_threads();
    if (result->schedules != 0)
        fprintf(stderr, "found in schedule %llu, after %.3f s\n", (unsigned long long)result->schedules,
                result->seconds);
    if (!result->replays) {
        fprintf(stderr, finding->kind == CHENG_FOUND_NOTHING
                            ? "the replayed schedule finds nothing: is it the same program?\n"
                            : "it could not be replayed: the test depends on more than the order\n");
        return;
    }
    fprintf(stderr,
            "the shortest schedule has %u departure%s from letting each task run for as long as it can:\n",
            script->count, script->count == 1 ? "" : "s");
    print_trace();
    fprintf(stderr, "to see it again: CHENG_REPLAY='%s'\n", result->replay);
}
