#include "base/incident.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"

static void report_and_abort(const cheng_incident *incident)
{
    fprintf(stderr, "cheng: %s", incident->report);
    if (incident->kind < CHENG_FAILURE)
        abort(); /* it would hang, or go on with broken data */
}

static cheng_incident_hook *hook = report_and_abort;

cheng_incident_hook *cheng_set_incident_hook(cheng_incident_hook *replacement)
{
    /* acq_rel: what the program did before it set the hook is seen by its calls */
    return __atomic_exchange_n(&hook, replacement == NULL ? report_and_abort : replacement, __ATOMIC_ACQ_REL);
}

void chengi_incident(enum cheng_incident_kind kind, int error, const void *object, const char *report)
{
    cheng_incident incident = { kind, error, object, report };
    load_acquire (&hook)(&incident);
}
