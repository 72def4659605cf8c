// SPDX-License-Identifier: MIT
// Looks into JSON from the network, whatever it is. Only the files that turn replies into text
// include this.
#ifndef CLI_LOOK_H
#define CLI_LOOK_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

// "jobs.done" of an object; NULL where a step is missing.
const cJSON *look_at(const cJSON *object, const char *path);
const char *look_text(const cJSON *object, const char *path); // "" where there is none
// A number, or a string of one (64-bit counts travel as strings). false where there is none.
bool look_number(const cJSON *object, const char *path, double *out);
int64_t look_int(const cJSON *object, const char *path, int64_t missing);

#endif
