// SPDX-License-Identifier: MIT
// The command line of `farm`: argv -> checked plain struct. No I/O.
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum cli_command {
    CLI_HELP,
    CLI_VERSION,
    CLI_SUBMIT,
    CLI_WATCH,
    CLI_FRONT,
    CLI_RESULTS,
    CLI_MODELS,
    CLI_CAMPAIGNS,
    CLI_JOBS,
    CLI_RIGS,
    CLI_BOARDS,
    CLI_LOG,
    CLI_PLAN,
    CLI_NIGHTLY,
    CLI_EXPLAIN,
};

#define CLI_MAX_BOARDS 32
#define CLI_MAX_STRATEGIES 8

struct cli_args {
    enum cli_command command;
    const char *server; // base URL, without a trailing slash meant (one is tolerated)
    const char *token;  // bearer token; NULL: none
    const char *target; // model file, model, campaign or job; NULL where the command takes none
    const char *spec;   // a configuration's text; NULL: none
    const char *boards[CLI_MAX_BOARDS]; // ids; they point into boards_text
    int n_boards;
    char boards_text[1024];
    const char *strategies[CLI_MAX_STRATEGIES]; // names; they point into strategies_text
    int n_strategies;                           // 0: the server's default
    char strategies_text[256];
    const char *name;    // of the campaign; NULL: the server's choice
    long points;         // 1..200; 0: the server's default
    long repeats;        // 1..100; 0: the server's default
    long patience;       // seconds that a server may be away while something is waited for
    double max_overhead; // F; < 0: not given
    int64_t max_ram;     // bytes; < 0: not given
    const char *save;    // file for a program; NULL: none
    bool by_latency;     // --axis latency: fronts over RAM and predicted ms, not RAM and MACs
    const char *plan;    // of `farm plan show|run`: a plan's name, or of show a run's number
    const char *junit;   // file for JUnit XML; NULL: none
    bool next; // --choose next: what could be on the front, instead of points spread over it
    bool watch, json, all, measured, wait;
};

// Parses argv[1..]; strings are borrowed from argv. env_server and env_token are $FARM_SERVER and
// $FARM_TOKEN (may be NULL). -1: ERR_BAD_REQUEST, a sentence for the user that names the word.
int cli_args_parse(struct cli_args *a, int argc, char **argv, const char *env_server,
                   const char *env_token, struct err *e);

// "16384", "16k", "16kB", "16KiB", "1.5M": bytes; k = 1000, Ki = 1024. -1: not a size (or above
// 2^40).
int64_t cli_parse_bytes(const char *text);

extern const char cli_usage[]; // the text of `farm --help`

#endif
