/* A stranger's C program. */
#include <cheng.h>
#include <stdio.h>

int main(void)
{
    printf("C: cheng %s\n", cheng_version());
    return 0;
}
