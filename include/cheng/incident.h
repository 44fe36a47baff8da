/* cheng/incident.h: what the library tells when no caller can be told (Python: threading.excepthook).
 *
 * The library never prints nor exits on its own, but for this one hook, which a program may replace:
 *
 *   CHENG_DEADLOCK    a plain acquire would never return. Default: report and abort, since it would hang
 *                     for ever; a hook that returns lets it hang.
 *   CHENG_OWNER_DIED  a plain acquire got a lock whose owner died. Default: report and abort; a hook that
 *                     returns has repaired what the lock protects, and the acquire goes on as the holder.
 *   CHENG_MISUSE      a plain acquire of what is no lock, or of a shared one whose arena is gone or corrupted.
 *                     Default: report and abort; a hook that returns lets the caller hang. Or a handle of a task
 *                     that is freed, or cancelled by, after it was freed. Default: the same; a hook that returns lets
 *                     the caller go on, and nothing was done.
 *   CHENG_FAILURE     a task failed and nobody joined it. Default: report.
 *   CHENG_HOG         a coroutine keeps those of its worker waiting (cheng_watch). Default: report.
 *   CHENG_ABANDONED   the process exits without the tasks that the report names (cheng_set_exit_limit). Default: report.
 *   CHENG_ASLEEP      every task waits, for ever, for what only another could give (cheng_watch). The report is a
 *                     cheng_dump. Default: report.
 *
 * @code
 * static void my_hook(const cheng_incident *incident)
 * {
 *     fputs(incident->report, stderr);
 * }
 *
 * void set_up(void)
 * {
 *     cheng_set_incident_hook(my_hook);
 * }
 * @endcode */
#ifndef CHENG_INCIDENT_H
#define CHENG_INCIDENT_H

#include <cheng/base.h>
#include <cheng/time.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cheng_incident_kind {
    CHENG_DEADLOCK = 1,
    CHENG_OWNER_DIED = 2,
    CHENG_MISUSE = 3,
    CHENG_FAILURE = 4,
    CHENG_HOG = 5,
    CHENG_ABANDONED = 6,
    CHENG_ASLEEP = 7
};

typedef struct cheng_incident {
    enum cheng_incident_kind kind;
    int error;          /* the negative errno behind it */
    const void *object; /* the lock or task, or NULL */
    const char *report; /* some lines of text, ended by a newline; valid during the call */
} cheng_incident;

typedef void cheng_incident_hook(const cheng_incident *incident);

/* Replaces the hook and returns the former one; NULL restores the default. The hook runs in the task
 * that met the incident, with nothing of the library held, and may call anything. Thread-safe. */
CHENG_API cheng_incident_hook *cheng_set_incident_hook(cheng_incident_hook *hook);

/* Opt-in: when a coroutine overflows its stack, a line on standard error says which, before the fault kills the
 * process as it would have done anyway. Installs a handler of SIGSEGV; covers the workers that begin after the call, so
 * make it the first. 0 or a negative errno. */
CHENG_API CHENG_NODISCARD int cheng_report_overflows(void);

/* Opt-in: a watchdog, a thread of its own, names each coroutine that has run for longer than `limit` (at least a millisecond)
 * without waiting or yielding: the incident hook is called, on that thread, once for each such time, with CHENG_HOG and -EBUSY.
 * Others on the same worker wait for it meanwhile; those on other workers go on. It also tells, with CHENG_ASLEEP and -EDEADLK, if for 100 ms everything has slept and
 * nothing can wake it (gevent: LoopExit): every task waits, without a deadline, for another one's doing, no timer is set, no thread
 * is there that has not called the library, no loop runs, and no signal has a handler: where any of these could wake somebody, it
 * is silent. A limit of 0 ends it. 0, -EINVAL (negative), or
 * that there is no thread. */
CHENG_API CHENG_NODISCARD int cheng_watch(cheng_duration limit);

/* The text of the deadlock that the calling task's last -EDEADLK stood for; "" if there was none,
 * or no memory for it. Valid until the next. */
CHENG_API const char *cheng_deadlock_report(void);

#ifdef __cplusplus
}
#endif
#endif
