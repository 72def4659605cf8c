// SPDX-License-Identifier: MIT
// JSON from outside -> checked plain structs. The only file that parses JSON for the server. Text is
// checked before cJSON sees it: valid UTF-8, nesting of at most 8, no control characters, no \u0000. Unknown and repeated
// fields are refused, except inside what a device reported (hello, mem, out), where another firmware may say more.
//
// All functions return 0, or -1 with p set: ERR_BAD_JSON with the byte position, ERR_BAD_FIELD with the path of the field.
#ifndef SERVER_JSON_IN_H
#define SERVER_JSON_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/board.h"
#include "server/problem.h"

#define JSON_IN_MAX_BOARDS 32
#define JSON_IN_MAX_SPECS 200
#define JSON_IN_MAX_RUNS 100
#define JSON_IN_MAX_BLOCKS 2048
#define JSON_IN_MAX_LAYERS 1024 // records of a profile
#define JSON_IN_MAX_RIGS 256

// Ids of boards, agents and rigs: 1..63 characters out of A-Z a-z 0-9 . _ -, the first a letter or digit.
bool json_in_id_valid(const char *text);
// Display names: 1..127 bytes of UTF-8 without control characters.
bool json_in_name_valid(const char *text);

struct campaign_in {
    char model[65];
    char name[128]; // "" = not given
    int n_boards;
    char boards[JSON_IN_MAX_BOARDS][64];
    uint32_t strategies; // bit i = enum planner_strategy i; 0 when specs are given
    int points;          // of each strategy: 1..200; 0 when specs are given
    int n_specs;         // 0 when points are given
    bool next;           // points: those to measure next, instead of spread over the front
    char **specs;        // owned
    int repeats;         // 1..100, default 3
    char input_kind[16];
    uint32_t input_seed;
};
int json_in_campaign(const char *text, size_t n, struct campaign_in *out, struct problem *p);
void campaign_in_free(struct campaign_in *c);

struct lease_in {
    char agent[64];
    int n_rigs;
    struct {
        char name[64], board[64];
    } rigs[JSON_IN_MAX_RIGS];
    int wait_s; // 0..60, default 0
};
int json_in_lease(const char *text, size_t n, struct lease_in *out, struct problem *p);

struct heartbeat_in {
    char lease[65];
    char phase[16];  // "" = none
    double progress; // 0..1
    char *log;       // owned, NULL = none; at most 16 KiB
};
int json_in_heartbeat(const char *text, size_t n, struct heartbeat_in *out, struct problem *p);
void heartbeat_in_free(struct heartbeat_in *h);

struct result_in {
    char lease[65];
    int attempt;
    struct {
        char board[64], firmware[65], program[16], kernels[32], timing[48];
        int64_t clock_hz;
        bool emulated;
        int64_t timing_version;
    } hello;
    int n_runs;
    struct run_in {
        uint64_t cycles;
        int64_t instructions; // negative: none
    } runs[JSON_IN_MAX_RUNS];
    int n_blocks;
    uint64_t block_cycles[JSON_IN_MAX_BLOCKS];
    int64_t block_instructions[JSON_IN_MAX_BLOCKS]; // negative: none
    bool has_profile;
    int n_layers;
    struct layer_in {
        int i; // of the model; a layer may come more than once
        int64_t calls;
        uint64_t cycles;
        int64_t instructions; // negative: none
    } layers[JSON_IN_MAX_LAYERS], interpreter;
    struct {
        uint32_t arena, stack, static_bytes, code;
    } mem;
    struct {
        uint32_t bytes, crc32;
    } out;
};
int json_in_result(const char *text, size_t n, struct result_in *out, struct problem *p);

struct failure_in {
    char lease[65];
    int attempt;
    char type[32];
    char detail[400];
};
int json_in_failure(const char *text, size_t n, struct failure_in *out, struct problem *p);

struct offline_in {
    char agent[64], board[64];
    char detail[400];
};
int json_in_offline(const char *text, size_t n, struct offline_in *out, struct problem *p);

struct health_in {
    char agent[64];
    bool ok;
    char detail[400];
};
int json_in_health(const char *text, size_t n, struct health_in *out, struct problem *p);

// board.json, a file of the installation: fields that the server does not use are left alone.
int json_in_board(const char *text, size_t n, struct board *out, struct problem *p);

#endif
