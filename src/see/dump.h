#ifndef CHENG_SEE_DUMP_H
#define CHENG_SEE_DUMP_H

/* As cheng_dump, but a thread that calls it is not among the tasks if it was not before. */
void chengi_dump(void (*line)(const char *text, void *context), void *context);

#endif
