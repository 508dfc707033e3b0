/* workload_main.c: workload_main DIR SEED BLOCKS: the process that is cut off. Tells through its standard output. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/crash/workload.h"

static void tell(void *ctx, enum workload_word what, enum slk_err err, uint64_t value)
{
    struct workload_message message = {(uint32_t)what, (uint32_t)err, value};

    (void)ctx;
    if (write(STDOUT_FILENO, &message, sizeof message) != (ssize_t)sizeof message)
        _exit(3);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    workload_run(
        argv[1], strtoull(argv[2], NULL, 10), (unsigned)strtoul(argv[3], NULL, 10), NULL, tell, NULL);
    return 0;
}
