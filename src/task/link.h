#ifndef CHENG_TASK_LINK_H
#define CHENG_TASK_LINK_H

struct cheng_task;

/* The calling task ends: calls what has been linked to it, until nothing is. */
void chengi_links_call(struct cheng_task *task);

#endif
