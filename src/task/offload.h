/* Helper threads for blocking calls. They are started as they are needed, at most HELPERS_MOST, and end when they
 * had nothing to do for a while. */
#ifndef CHENG_TASK_OFFLOAD_H
#define CHENG_TASK_OFFLOAD_H

void chengi_offload_after_fork(void);

#endif
