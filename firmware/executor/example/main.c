// SPDX-License-Identifier: MIT
// The executor alone: runs a program from a file on its own test input and prints the output. On a microcontroller the
// program lies in flash and the arena is a static array; the four calls of exec.h stay the same.
//   cc -std=c11 -I. firmware/executor/*.c firmware/kernels/*.c firmware/executor/example/main.c -o example
#include <stdio.h>
#include <stdlib.h>

#include "firmware/executor/exec.h"

#define PROGRAM_MAX (16u << 20)

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    void *program = malloc(PROGRAM_MAX), *arena = NULL;
    size_t bytes = f && program ? fread(program, 1, PROGRAM_MAX, f) : 0;
    int error = exec_check(program, bytes), status = 1;
    const int8_t *output;
    if (error) {
        fprintf(stderr, "usage: example PROGRAM; exec_check() says %d\n", error);
        goto out;
    }
    arena = malloc(exec_arena_bytes(program));
    if (!arena || exec_run(program, arena, exec_arena_bytes(program), NULL, NULL, &output))
        goto out;
    for (size_t i = 0; i < exec_output_bytes(program); i++)
        printf("%d\n", output[i]);
    status = 0;
out:
    if (f)
        fclose(f);
    free(arena);
    free(program);
    return status;
}
