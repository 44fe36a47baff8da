/* Telling what no caller can be told: cheng/incident.h. */
#ifndef CHENG_BASE_INCIDENT_H
#define CHENG_BASE_INCIDENT_H

#include <cheng/incident.h>

/* Calls the hook. Returns if the hook does. */
void chengi_incident(enum cheng_incident_kind kind, int error, const void *object, const char *report);

#endif
