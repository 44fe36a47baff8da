/* What is printed of a finding. Lines come from addr2line, names of variables from nm: every compiler's package brings
 * them. Without them there are addresses. */
#include "host/explore/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define E chengi_engine

static const char *const findings[] = {
    "nothing",  "data race",     "deadlock", "failure",    "crash", "use after free",
    "bad free", "out of bounds", "livelock", "difference", "error",
};

enum { MOST = 4096, TEXT = 160, LINES_MOST = 200, ROUNDS_MOST = 20 };

/* ---- places in the program: function and line of each address, in one call of addr2line ---- */

static struct {
    uintptr_t pc;
    char function[TEXT], text[TEXT]; /* text: "file:line (function)" */
} places[MOST];
static unsigned place_count;

static unsigned place_of(uintptr_t pc)
{
    for (unsigned i = 0; i < place_count; i++)
        if (places[i].pc == pc)
            return i;
    if (place_count == MOST)
        return 0;
    places[place_count].pc = pc;
    snprintf(places[place_count].function, TEXT, "%#" PRIxPTR, pc);
    snprintf(places[place_count].text, TEXT, "%#" PRIxPTR, pc);
    return place_count++;
}

static const char *text_of(uintptr_t pc)
{
    return pc == 0 ? "" : places[place_of(pc)].text;
}

/* Of a name of C++: without the arguments of templates and functions. */
static void strip_types(char *name)
{
    char *to = name;
    unsigned depth = 0;
    for (const char *from = name; *from != '\0' && (*from != '(' || depth > 0); from++) {
        depth += *from == '<';
        if (depth == 0)
            *to++ = *from;
        depth -= *from == '>' && depth > 0;
    }
    *to = '\0';
}

/* Of "function at /a/long/path/file.c:7 (discriminator 1)": only the last folder, and no discriminator. */
static void set_place(unsigned index, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *at = strstr(line, " at "), *end = strstr(line, " (discriminator");
    if (end != NULL)
        *end = '\0';
    if (at == NULL || line[0] == '?')
        return;
    *at = '\0';
    strip_types(line);
    char *file = at + 4, *slash = strrchr(file, '/');
    while (slash != NULL && slash > file && slash[-1] != '/')
        slash--;
    snprintf(places[index].function, TEXT, "%.150s", line);
    snprintf(places[index].text, TEXT, "%.70s (%.80s)", slash == NULL ? file : slash, line);
}

/* The inlined functions of our headers and of the compiler's stand between the library and the user's line. */
static bool is_header(const char *line)
{
    return (strstr(line, "/cheng/") != NULL && strstr(line, ".h:") != NULL) ||
           strstr(line, " at /usr/include/c++/") != NULL;
}

static FILE *run_tool(const char *tool, unsigned *from)
{
    static char command[1 << 16];
    char program[512];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = '\0';
    int used = snprintf(command, sizeof command, "%s '%s' 2>/dev/null", tool, program);
    for (; from != NULL && *from < place_count && used < (int)sizeof command - 32; (*from)++)
        used += snprintf(command + used, sizeof command - (size_t)used, " %#" PRIxPTR,
                         places[*from].pc - 1 - chengi_world_load_address()); /* the call itself */
    return popen(command, "r");
}

static void look_up_places(void)
{
    static const char inlined[] = " (inlined by) ";
    char line[1024];
    for (unsigned from = 0; from < place_count;) {
        unsigned at = from;
        FILE *answer = run_tool("addr2line -Cafipe", &from);
        bool settled = false;
        at--; /* each address is said first */
        while (answer != NULL && fgets(line, sizeof line, answer) != NULL) {
            if (strncmp(line, "0x", 2) == 0 && strchr(line, ':') != NULL) {
                at++;
                settled = false;
            }
            if (at >= place_count || settled)
                continue;
            char *text = strstr(line, inlined);
            text = text != NULL                 ? text + strlen(inlined)
                   : strstr(line, ": ") != NULL ? strstr(line, ": ") + 2
                                                : line;
            settled = !is_header(text);
            set_place(at, text);
        }
        if (answer != NULL)
            pclose(answer);
    }
}

/* ---- variables: the names of addresses, in one call of nm ---- */

static struct {
    uintptr_t address;
    char text[TEXT];
} variables[MOST];
static unsigned variable_count;

static unsigned variable_of(uintptr_t address)
{
    for (unsigned i = 0; i < variable_count; i++)
        if (variables[i].address == address)
            return i;
    if (variable_count == MOST)
        return 0;
    variables[variable_count].address = address;
    snprintf(variables[variable_count].text, TEXT, "%#" PRIxPTR, address);
    return variable_count++;
}

static const char *variable_at(uintptr_t address)
{
    return variables[variable_of(address)].text;
}

static void look_up_variables(void)
{
    char line[1024], name[120], kind;
    uintptr_t value, size;
    FILE *answer = run_tool("nm -CS", NULL);
    while (answer != NULL && fgets(line, sizeof line, answer) != NULL) {
        if (sscanf(line, "%" SCNxPTR " %" SCNxPTR " %c %119[^\n]", &value, &size, &kind, name) != 4 ||
            strchr("bBdDrRvVuG", kind) == NULL)
            continue;
        value += chengi_world_load_address();
        for (unsigned i = 0; i < variable_count; i++) {
            uintptr_t offset = variables[i].address - value;
            if (offset >= size)
                continue;
            if (offset == 0)
                snprintf(variables[i].text, TEXT, "%s", name);
            else
                snprintf(variables[i].text, TEXT, "%s+%" PRIuPTR, name, offset);
        }
    }
    if (answer != NULL)
        pclose(answer);
}

/* The addresses in a text. */
static uintptr_t next_address(const char *text, const char **begin, char **end)
{
    *begin = strstr(text, "0x");
    return *begin == NULL ? 0 : (uintptr_t)strtoull(*begin, end, 16);
}

static void want_addresses(const char *text)
{
    const char *begin;
    char *end;
    for (uintptr_t address; (address = next_address(text, &begin, &end)) != 0; text = end)
        (void)variable_of(address);
}

static void print_with_names(const char *text)
{
    const char *begin;
    char *end;
    for (uintptr_t address; (address = next_address(text, &begin, &end)) != 0; text = end)
        fprintf(stderr, "%.*s%s", (int)(begin - text), text, variable_at(address));
    size_t length = strlen(text);
    fprintf(stderr, "%.*s", (int)(length - (length > 0 && text[length - 1] == '\n')), text);
}

/* ---- the trace ---- */

/* A plain access is worth a line if another task touches the same bytes as well, and one of them writes. */
static bool is_shared(const struct event *event)
{
    enum { FEW = 5000 };
    unsigned from = E.trace_count > FEW ? E.trace_count - FEW : 0;
    for (unsigned i = from; i < E.trace_count; i++) {
        const struct event *e = &E.trace[i];
        unsigned size = event->size & ~(unsigned)ATOMIC_EVENT, other = e->size & ~(unsigned)ATOMIC_EVENT;
        bool access = (e->kind <= E_UPDATE && !chengi_explore_in_library(e->pc)) || e->kind == E_FREE ||
                      (e->kind == E_FOUND && e->address != 0);
        if (access && e->who != event->who && e->address < event->address + size &&
            event->address < e->address + (other == 0 ? 8 : other) &&
            (e->kind != E_READ || event->kind != E_READ))
            return true;
    }
    return false;
}

/* The library's threads sleep and are woken when there is nothing to do, also on the stack of a coroutine that waits. */
static bool is_worth_a_line(const struct event *event)
{
    switch (event->kind) {
    case E_READ:
    case E_WRITE:
    case E_UPDATE:
        if (event->size & ATOMIC_EVENT)
            return E.options.inside || !chengi_explore_in_library(event->pc);
        return !chengi_explore_in_library(event->pc) && is_shared(event);
    case E_FREE:
        return E.options.inside || !chengi_explore_in_library(event->pc);
    case E_WAIT:
    case E_TIME_OUT:
        return E.options.inside || (event->callee != 0 && event->who < THREADS);
    case E_WAKE:
        return E.options.inside || strncmp(E.names[event->other], "cheng-", 6) != 0;
    default:
        return true;
    }
}

/* As the user has written it: cheng_lock_acquire is a macro over chengi_lock_acquire_at. */
static const char *function_of(uintptr_t pc, char *room)
{
    const char *name = places[place_of(pc)].function;
    size_t length = strlen(name);
    if (strncmp(name, "chengi_", 7) != 0)
        return name;
    snprintf(room, TEXT, "cheng_%.*s", (int)(length - 7 - (strcmp(name + length - 3, "_at") == 0 ? 3 : 0)),
             name + 7);
    return room;
}

/* Small numbers as such, with their sign; what may be an address as one. */
static void print_value(const char *before, const struct event *event, uint64_t value)
{
    unsigned bits = 8 * (event->size & ~(unsigned)ATOMIC_EVENT);
    int64_t number =
        bits == 0 || bits >= 64 ? (int64_t)value : (int64_t)(value << (64 - bits)) >> (64 - bits);
    if (number > -1000000 && number < 1000000)
        fprintf(stderr, "%s%" PRId64, before, number);
    else
        fprintf(stderr, "%s%#" PRIx64, before, value);
}

static void print_access(const struct event *event)
{
    bool atomic = event->size & ATOMIC_EVENT;
    static const char *const verbs[] = { "reads", "writes", "updates" };
    fprintf(stderr, "%s %s", verbs[event->kind], variable_at(event->address));
    print_value(event->kind == E_UPDATE ? " to " : " = ", event, event->value);
    if (event->kind == E_WRITE && !atomic)
        print_value(", was ", event, event->before);
    fprintf(stderr, "%s at %s", atomic ? " (atomic)" : "", text_of(event->pc));
}

/* So wide is the column of names. */
static int name_width(void)
{
    size_t width = 10;
    for (unsigned i = 0; i < E.trace_count; i++)
        if (strlen(E.names[E.trace[i].who]) > width)
            width = strlen(E.names[E.trace[i].who]);
    return (int)width;
}

/* The call of what is said in the next line. */
static bool is_said_next(const struct event *event)
{
    const struct event *next = event + 1;
    return event->kind == E_CALL && next < E.trace + E.trace_count && next->who == event->who &&
           next->pc == event->pc && (next->kind == E_START || next->kind == E_WAIT);
}

static void print_event(const struct event *event)
{
    char room[TEXT];
    fprintf(stderr, "  %-*s ", name_width(), E.names[event->who]);
    switch (event->kind) {
    case E_READ:
    case E_WRITE:
    case E_UPDATE:
        print_access(event);
        break;
    case E_CALL:
        fprintf(stderr, "calls %s at %s", function_of(event->callee, room), text_of(event->pc));
        break;
    case E_WAIT:
        fprintf(stderr, "sleeps in %s%s%s",
                event->callee == 0 ? "the library" : function_of(event->callee, room),
                event->pc == 0 ? "" : " at ", text_of(event->pc));
        break;
    case E_WAKE:
        fprintf(stderr, "wakes %s", E.names[event->other]);
        break;
    case E_TIME_OUT:
        fprintf(stderr, "goes on: its time is up");
        break;
    case E_FREE:
        fprintf(stderr, "frees %s at %s", variable_at(event->address), text_of(event->pc));
        break;
    case E_START:
        fprintf(stderr, "starts %s%s%s", E.names[event->other], event->pc == 0 ? "" : " at ",
                text_of(event->pc));
        break;
    case E_BEGIN:
        fprintf(stderr, "begins, on %s", E.names[event->other]);
        break;
    case E_END:
        fprintf(stderr, "ends");
        break;
    case E_SWITCH:
        fprintf(stderr, "-- stops here, %s goes on --", E.names[event->other]);
        break;
    case E_CHOICE:
        fprintf(stderr, "-- gets another answer: %" PRIu64 " --", event->value);
        break;
    case E_FOUND:
        fprintf(stderr, "*** %s", findings[E.finding.kind]);
        if (event->address != 0)
            fprintf(stderr, ": %s", variable_at(event->address));
        if (event->pc != 0)
            fprintf(stderr, " at %s", text_of(event->pc));
        break;
    default:
        break;
    }
    fputc('\n', stderr);
}

/* Leaves in the trace what is worth a line, the last of it; who turns in circles is soon understood. Returns how many there were before. */
static unsigned sift_trace(void)
{
    unsigned count = 0, skip;
    for (unsigned i = 0; i < E.trace_count; i++) /* looks at those that it moves, and at later ones */
        if (is_worth_a_line(&E.trace[i]))
            E.trace[i].printed = true;
    for (unsigned i = 0; i < E.trace_count; i++)
        if (E.trace[i].printed)
            E.trace[count++] = E.trace[i];
    unsigned most = E.finding.kind == CHENG_FOUND_LIVELOCK ? ROUNDS_MOST : LINES_MOST;
    skip = count > most ? count - most : 0;
    E.trace_count = count - skip;
    memmove(E.trace, E.trace + skip, E.trace_count * sizeof *E.trace);
    return skip;
}

/* Who has not ended: where it is. */
static void print_tasks(void)
{
    char room[TEXT];
    for (unsigned i = 0; i < E.fiber_count; i++) {
        const struct fiber *fiber = &E.fibers[i];
        if (fiber->place.callee != 0 && (i >= THREADS || (i < E.thread_count && E.threads[i].state != ENDED)))
            fprintf(stderr, "  %-*s %s at %s\n", name_width(), E.names[fiber->name],
                    function_of(fiber->place.callee, room), text_of(fiber->place.caller));
    }
}

void chengi_report(const struct script *script, const cheng_explore_result *result)
{
    const struct finding *finding = &E.finding;
    place_count = variable_count = 0;
    unsigned before = sift_trace();
    (void)place_of(finding->pc), (void)place_of(finding->other_pc);
    for (unsigned i = 0; i < E.fiber_count; i++) {
        (void)place_of(E.fibers[i].place.caller);
        (void)place_of(E.fibers[i].place.callee);
    }
    for (unsigned i = 0; i < E.trace_count; i++) {
        (void)place_of(E.trace[i].pc);
        (void)place_of(E.trace[i].callee);
        (void)variable_of(E.trace[i].address);
    }
    (void)variable_of(finding->address);
    want_addresses(finding->what);
    look_up_places();
    look_up_variables();

    fprintf(stderr, "cheng-explore: %s: %s: ", E.options.name, findings[finding->kind]);
    size_t kind = strlen(findings[finding->kind]); /* the library's own report says it, too */
    bool said = strncmp(finding->what, findings[finding->kind], kind) == 0 && finding->what[kind] == ':';
    print_with_names(finding->what + (said ? kind + 2 : 0));
    fputc('\n', stderr);
    if (finding->other_pc != 0)
        fprintf(stderr, "  of:         %s\n  the first:  %s\n  the second: %s\n",
                variable_at(finding->address), text_of(finding->other_pc), text_of(finding->pc));
    else if (finding->pc != 0)
        fprintf(stderr, "  at %s\n", text_of(finding->pc));
    const struct place *place = &chengi_explore_fiber(E.current)->place;
    if (chengi_explore_in_library(finding->pc) && place->caller != 0) { /* whose call it is */
        char room[TEXT];
        fprintf(stderr, "  in %s at %s\n", function_of(place->callee, room), text_of(place->caller));
    }
    if (finding->kind == CHENG_FOUND_DEADLOCK || finding->kind == CHENG_FOUND_LIVELOCK) {
        fprintf(stderr, "the last calls of those that have not ended:\n");
        print_tasks();
    }
    if (result->schedules != 0)
        fprintf(stderr, "found in schedule %" PRIu64 ", after %.3f s\n", result->schedules, result->seconds);
    if (finding->kind == CHENG_EXPLORE_ERROR || finding->kind == CHENG_FOUND_DIFFERENCE)
        return;
    if (!result->replays) {
        fprintf(stderr, finding->kind == CHENG_FOUND_NOTHING
                            ? "the replayed schedule finds nothing: is it the same program?\n"
                            : "it could not be replayed: the test depends on more than the order\n");
        return;
    }
    fprintf(stderr, "the shortest schedule, %u departure%s from letting each go on for as long as it can:\n",
            script->count, script->count == 1 ? "" : "s");
    if (before != 0)
        fprintf(stderr, "  (%u lines before these)\n", before);
    for (unsigned i = 0; i < E.trace_count; i++)
        if (!is_said_next(&E.trace[i]))
            print_event(&E.trace[i]);
    fprintf(stderr, "to see it again: CHENG_REPLAY='%s'\n", result->replay);
}
