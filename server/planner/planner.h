// SPDX-License-Identifier: MIT
// The planner's face to the rest of the farm. Pure: bytes in, configurations and programs out; no
// I/O, no globals. A struct planner holds working memory: one thread at a time.
//
//   planner_open(bytes) -> planner_front() -> struct front of struct config -> planner_program()
//                       \-> planner_reference(): the output that every board must produce
#ifndef PLANNER_PLANNER_H
#define PLANNER_PLANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "server/planner/latency.h"

struct planner; // an imported model

// Imports a model; bytes are copied. -1: ERR_BAD_MODEL, ERR_UNSUPPORTED, ERR_NO_MEMORY.
int planner_open(const void *bytes, size_t n, struct planner **out, struct err *e);
void planner_free(struct planner *p);

struct planner_tensor { // the int8 core's input or output
    int h, w, c;
    uint32_t bytes;
    float scale;
    int32_t zero;
};

struct planner_info {
    int layers;
    uint64_t macs;
    size_t weight_bytes;
    uint32_t plain_arena_bytes; // arena of the all-plain configuration
    struct planner_tensor input, output;
};
void planner_info(const struct planner *p, struct planner_info *info);
// The layers as a JSON array:
// [{"i","op","name","in":[h,w,c],"out":[h,w,c],"kernel":[h,w],"stride":[h,w],"macs","inputs":[layer|-1]}]
void planner_layers_json(const struct planner *p, struct buf *out);

// A configuration is its text: blocks in order, "first-last:schedule" (or "i:schedule"), separated
// by one space, the schedule one of plain, rows, colsR (R output rows a band), patchN (N by N
// patches), groupsG, groupsGxR or groupsGxRxC (G expanded channels at a time, R output rows a band, else
// all, C columns of a band at a time, else all), or cells(first-last:schedule,...) of these and colsR
// (docs/fusion.md):
// "0-8:rows 9:plain 10-20:cols4". It covers every layer once. Behind the last block may stand
// "output:outside": the model output is written to the caller's memory, not to the arena.
#define PLANNER_MAX_SPEC 8192
struct config {
    char spec[PLANNER_MAX_SPEC];
    // Exact; without the model input, with the model output unless that has its outside_bytes.
    uint32_t arena_bytes;
    uint64_t macs;          // exact
    double overhead;        // F = macs / plain macs; 1 when the model has none
    uint32_t outside_bytes; // of the model output where it is not in the arena; else 0
    // RAM and F as the strategy that offers it believes them to be, by which it chooses: the exact ones, but for
    // PLANNER_MSFCNN_PAPER.
    uint64_t believed_bytes;
    double believed_overhead;
    bool input_streamed;  // the model input is read once, in order
    uint32_t input_bytes; // to add when the input is resident in RAM
    uint32_t blocks;
};
// Checks and prices one configuration. -1: ERR_BAD_FIELD names the block and the reason.
int planner_price(const struct planner *p, const char *spec, struct config *out, struct err *e);

struct front {
    size_t n;
    struct config *at; // by rising arena_bytes, falling macs; none dominates another
};
// A front whose search takes more steps than this is refused with ERR_TOO_COMPLEX, which names the
// limit: a stranger's model must not keep a farm busy. Counted, not timed: a model that is planned is
// planned everywhere.
#define PLANNER_MAX_WORK UINT64_C(6000000000)
// The whole exact front over plain, rows, cols(r) and patch(n), and over those blocks of cells that
// families.h lists. -1: ERR_NO_MEMORY, ERR_TOO_COMPLEX.
int planner_front(const struct planner *p, struct front *f, struct err *e);
void front_free(struct front *f);
// Who chooses configurations: published methods, for comparison, and ours (strategy.h).
enum planner_strategy {
    PLANNER_VANILLA,
    PLANNER_MCUNETV2,
    PLANNER_STREAMNET,
    PLANNER_MSFCNN,
    PLANNER_MSFCNN_PAPER,
    PLANNER_PARETO,
    PLANNER_STRATEGIES
};
extern const char *const planner_strategy_names[PLANNER_STRATEGIES]; // "vanilla", ...
int planner_strategy(const char *name);                              // -1: unknown
// The configurations that a strategy offers, by rising arena_bytes, with the model output in the arena or outside;
// planner_front() is PLANNER_PARETO's with the output in it. Those of PLANNER_MSFCNN_PAPER may dominate each other. -1:
// as planner_front().
int planner_strategy_front(const struct planner *p, enum planner_strategy strategy,
                           bool output_outside, struct front *f, struct err *e);
// The exact front over RAM and predicted cycles, of the same schedules: by rising arena_bytes and
// falling cycles. -1: as planner_front(), ERR_BAD_FIELD (the model's kernel variant is unknown).
int planner_latency_front(const struct planner *p, const struct latency_model *m, struct front *f,
                          struct err *e);
// P1: least RAM with overhead <= max_overhead. P2: least overhead with arena_bytes <=
// max_arena_bytes. NULL: none.
const struct config *front_least_ram(const struct front *f, double max_overhead);
const struct config *front_least_overhead(const struct front *f, uint32_t max_arena_bytes);
// P2 of planner_latency_front(): the fastest with arena_bytes <= max_arena_bytes. NULL: none.
const struct config *front_fastest(const struct front *f, uint32_t max_arena_bytes);
// Spreads at most n picks over the front (both ends included); indices rise. Returns how many.
size_t front_spread(const struct front *f, size_t n, size_t *index);
// The blocks of a configuration as JSON, for the page:
// [{"first","last","schedule","arena_bytes","macs","live_bytes",
// "io_bytes","rings":[{"layer","slices","bytes"}],"accumulator_bytes"}]; arena_bytes is what the
// block needs in all.
int planner_blocks_json(const struct planner *p, const char *spec, struct buf *out, struct err *e);
// What is in RAM when (timeline.h), as a JSON object:
// {"arena_bytes","peak":{"bytes","block","layer"},"blocks":[{"first","last","schedule","arena_bytes",
// "macs","steps","fixed_bytes","peak":index of the largest moment,
// "parts":[{"kind","layer"?,"slices"?,"bytes"}],"layer_macs":[{"layer","macs"}],
// "moments":[{"step","layer","output_bytes","input_bytes","inner_bytes","bytes"}]}]}
// bytes = fixed_bytes + output_bytes + input_bytes + inner_bytes; fixed_bytes = sum of parts. A
// moment lasts until
// the step of the next and is the largest of that stretch.
int planner_timeline_json(const struct planner *p, const char *spec, struct buf *out,
                          struct err *e);

// The test inputs, reproducible anywhere: xorshift32 from a seed (docs/programs.md spells it out).
enum planner_input_kind { PLANNER_INPUT_UNIFORM, PLANNER_INPUT_WALK, PLANNER_INPUT_EXTREME };
int planner_input_kind(const char *name); // "uniform", "walk", "extreme"; -1 unknown
#define PLANNER_DEFAULT_SEED 0x12345678u
// Fills the int8 core input in the layout of the file (planner_info().input.bytes).
void planner_input(const struct planner *p, enum planner_input_kind kind, uint32_t seed,
                   int8_t *bytes);
// The output for a core input, by the naive reference. output: planner_info().output.bytes,
// [h][w][c] as a board reports it.
int planner_reference(const struct planner *p, const int8_t *input, int8_t *output, struct err *e);

// Compiles a configuration with its input (in the layout of the file) for a board's kernel variant
// ("generic"). The program's bytes go into out, which must be empty.
int planner_program(const struct planner *p, const char *spec, const char *variant,
                    const int8_t *input, struct buf *out, struct err *e);

// Predicted latency (latency.h).
int planner_predict_cycles(const struct planner *p, const char *spec, const struct latency_model *m,
                           double *cycles, struct err *e);
struct planner_work { // of one layer of a configuration
    enum latency_class kind;
    double amount[LATENCY_TERMS];
};
// What the kernels of a variant do for each layer of a configuration, and what the interpreter does: layers has
// planner_info().layers entries.
int planner_work(const struct planner *p, const char *spec, const char *variant,
                 struct planner_work *layers, double interpreter[LATENCY_WORKS], struct err *e);

uint32_t planner_crc32(const void *bytes, size_t n); // IEEE 802.3, as zlib

#endif
