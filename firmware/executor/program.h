// SPDX-License-Identifier: MIT
// The program format: a configuration compiled to bytes that the executor walks in place, in flash.
// Little-endian, every table 4-aligned, offsets in bytes from the header. Written by
// server/planner/program.c, read by exec.c.
//
//   offset 0   prog_header
//   ...        prog_stage[]             per block or cell: of all its stages in band 0, in band 1 ...
//   ...        prog_block[n_blocks]     in execution order
//   ...        prog_op[n_ops]           a stage's operators are consecutive
//   ...        prog_part[n_parts]       what a call runs
//   ...        per part: prog_step[]; per block: prog_call[], prog_move[], prog_base[]
//   ...        constants: weights (for this kernel variant and slice axis), int32 biases,
//              prog_requant per channel
//   ...        the test input, int8 [h][w][c]
//
// Slices. A block runs along its slice axis: rows (slice = one row, position along it = column) or
// columns (slice = one column of a horizontal band, position along it = row). "s" names the slice
// axis, "a" the axis along a slice.
//
// A step computes one slice of one stage, or some that follow each other: the positions of the stage in the
// band, `chunk` positions at a time, through all of the stage's operators, from its head to its last.
// Tensors between operators of a stage hold one chunk of pixels; the last operator writes a ring of
// slices or a whole tensor. The executor decides nothing: order, ring slots and positions are data. It
// works little, too: a step says where the head reads and the last operator writes, and between them an
// operator reads the chunk.
//
// A call runs some bands of a part. An ordinary block is one part and one call of all its bands. A
// block of cells (server/planner/cells.h) has a part or more a cell and a call a band; between calls
// what lies in the arena may be moved, so a call brings its own addresses. A cell whose slices
// are rows is a part of one band, and its calls take some of its steps each.
#ifndef EXECUTOR_PROGRAM_H
#define EXECUTOR_PROGRAM_H

#include <stdint.h>

#define PROG_MAGIC 0x5046534Du // "MSFP"
#define PROG_VERSION 5u

// clang-format off
enum prog_kernel {
    // What is called in a way of its own.
    PROG_ADD,
    PROG_COPY,     // whole tensor, flat
    PROG_ACC_CONV, // dense layer fed pixel by pixel: w [out_c][slices][along][in_c], int32 accumulators [out_c]
    PROG_ACC_AVGPOOL, // global pooling fed pixel by pixel, int32 accumulators [c]
    PROG_ACC_MEAN,
    // Slice kernels.
    PROG_CONV,     // w [out_c][ks][ka][in_c]; bias with the input zero point of a full window folded in
    PROG_DWCONV,   // w [ks][ka][out_c], output channel o reads input channel o / mult_c; bias folded likewise
    PROG_AVGPOOL,
    PROG_MAXPOOL,
    PROG_MEAN,     // a window that covers its axes; requant[0] includes the division
    PROG_SOFTMAX,
    PROG_RESCALE,
    PROG_PAD,
    PROG_SUM_CONV, // 1x1 convolution of some input channels, added to int32 sums (a RING of them); w [out_c][in_c]
    PROG_SUM_END,  // those sums with bias, requantised
    // Kernels of a variant, with constants in its own layout: records, or weights with biases and struct
    // prog_requant_fast padded to a multiple of 4 output channels. In p[0] all have the offset of one
    // pixel of the input's zero point, which stands in for the taps outside the tensor.
    PROG_CONV_X2,    // out_c > 1: a record for each pair of output channels, the last one of an odd number together with the channel before (below)
    PROG_DWCONV_X2,  // mult_c == 1, out_c > 1, ks * ka <= PROG_MAX_TAPS: weights with biases and last steps, drawn below
    PROG_CONV_B4,    // w [out_c / 4][ks][ka][in_c][4 channels]
    PROG_DWCONV_FIR, // mult_c == 1, ks == ka: 3, 5 or 7, ss == sa: 1 or 2: w [c][ks][ka]
    PROG_CONV_M16,   // int16 w [out_c][ks][ka][in_c], each channel's rounded up to a multiple of 4 with zeros
    PROG_DWCONV_M16, // mult_c == 1, (ks + ks % 2) * ka <= PROG_M16_VALUES: int16 w [c][ka][ks, an odd one with a zero behind it], rounded up likewise
    PROG_KERNEL_COUNT
};

enum prog_space {
    PROG_WHOLE,    // arena, whole tensor: position 0 is at `offset`
    PROG_RING,     // arena, `slots` slices; a slice holds the positions that its stage makes in the band
    PROG_CHUNK,    // arena, one chunk of pixels
    PROG_INPUT,    // the model input, outside the arena
    PROG_OUTPUT,   // the model output, outside the arena
    PROG_WINDOW,   // arena, some rows of a tensor; where, and which, the call says
    PROG_NONE
};
// clang-format on

// What offsets are relative to, of every space but CHUNK and NONE by its own name.
enum prog_origin {
    PROG_ORIGIN_ARENA,
    PROG_ORIGIN_SCRATCH, // of the call: rings and chunks
    PROG_ORIGIN_INPUT,
    PROG_ORIGIN_OUTPUT,
    PROG_ORIGIN_WINDOW, // and those behind it: the call's bases
};
#define PROG_MAX_BASES 5
#define PROG_ORIGINS (PROG_ORIGIN_WINDOW + PROG_MAX_BASES)

// Where an operator finds or puts slices: slice i, position p is at
//   CHUNK:  origin + offset + (p - first position of the chunk) * pix_step
//   RING:   origin + offset + (i % slots) * slice_step + (p - stage.lo) * pix_step
//   others: origin + offset + i * slice_step + p * pix_step
struct prog_view {
    uint32_t offset;
    uint32_t ring_bytes; // RING: slots * slice_step; others: 0
    uint32_t slice_step;
    uint32_t pix_step;
    uint16_t space;  // enum prog_space
    uint16_t origin; // enum prog_origin
    uint16_t slots;  // RING
    uint16_t stage;  // RING: index of the stage that makes its slices, in band 0
};

struct prog_requant {
    int32_t mult;  // Q31
    int32_t shift; // > 0: left
};

// Of PROG_CONV_X2, uint32 words, upper and lower being the first and the second channel of the pair:
//   bias     256 * upper + lower, modulo 2^32; lower
//   weights  a word for two inputs, 16-bit lanes, each 256 * upper + lower. Windows of at most
//            PROG_X2_WORDS words: for each kernel row, of its ka * in_c bytes, else for each tap, of its
//            in_c bytes: inputs 0 and 2, 1 and 3 of each four; then of the last one: it and none; two:
//            both; three: 0 and 2, 1 and none. In small windows a word of zeros makes their number even
//   ends     mult, round of upper; of lower; right + (left << 8) of upper; of lower: struct
//            prog_requant_fast. PROG_END_RELU: upper's with round 64-fold and right 6 more, for a sum
//            that comes 256-fold
#define PROG_X2_WORDS 72 // widened at a time: of one pixel, or of two with windows of half as many
#define PROG_X2_MAX_ROWS 8   // kernel rows of larger windows
#define PROG_X2_RECORD 8     // words of a record beside the weights
#define PROG_X2_MAX_RIGHT 16 // of prog_requant, where PROG_END_RELU is to fit

static inline int prog_x2_run_words(int bytes)
{
    return bytes / 4 * 2 + (bytes % 4 + 1) / 2;
}

static inline int prog_x2_words(int ks, int ka, int in_c)
{
    const int small = (ks * prog_x2_run_words(ka * in_c) + 1) / 2 * 2;
    return small <= PROG_X2_WORDS ? small : ks * ka * prog_x2_run_words(in_c);
}

// The last step of PROG_CONV_X2 and following: the same bytes as struct prog_requant with fewer
// operations, for sums below 2^30 / 2^left. With the high word of a product written as x . y, the
// layer's end (prog_op.p[1]) decides:
//   ANY    v = (2 sum << left) . mult, rounded; (v + round - (v < 0 and right > 0)) >> right, plus the
//          zero point, clamped to the layer's range. round: 2^(right - 1), or 0 if right is
//   SIMPLE likewise with left = 0, right > 0, zero point << right in round, and the range of int8
//   RELU   ((4 sum . mult) + round) >> right, clamped to int8, for a zero point of -128: what is negative
//          ends there, so only positive values need the exact rounding, and with right one more than in
//          prog_requant they need none before the shift: floor((floor(2p) + 2c + 1) / 2n) =
//          floor((p + 1/2 + c) / n). round: 2c + 1 with c as above, plus zero point << right
struct prog_requant_fast {
    int32_t mult;
    int32_t round;
    int32_t right;
    int32_t left;
};
enum prog_end { PROG_END_ANY, PROG_END_SIMPLE, PROG_END_RELU };

// PROG_DWCONV_X2 has everything in the order of its use. Two channels at a time, of an odd number the
// last two once more behind the others; a word for either:
//   bias
//   weights, int16 pairs: [ks / 2][ka] of two slices; of the last of an odd ks along it, 0 and 1, 2 and 3
//       and so on, then of an odd ka its last two; at stride 1 and two positions at a time (p[2])
//       before those also 1 and 2, 3 and 4 and so on
// and of one and then the other mult, round, and right + 256 left, with the top bit set in the second
// of the last two channels, and of the two before if they are an odd number's. Biases and weights are times 4 for
// PROG_END_RELU, times 2 for others.

#define PROG_MAX_TAPS 49   // of the packed kernels: 7 x 7
#define PROG_M16_VALUES 96 // inputs that PROG_CONV_M16 and PROG_DWCONV_M16 hold as int16 at a time

struct prog_op {
    uint16_t kernel; // enum prog_kernel
    uint16_t layer;  // of the graph, for profiles and messages
    uint16_t ks, ka; // kernel along slices and along a slice
    uint16_t ss, sa; // strides
    int16_t pad_s, pad_a;
    uint16_t in_slices, in_len; // extent of the whole input tensor on both axes
    uint16_t in_c, out_c;
    uint16_t mult_c; // PROG_DWCONV
    int16_t pad_c;   // PROG_PAD
    int16_t in_zero, out_zero;
    int16_t act_min, act_max;
    uint32_t weights, bias, requant; // offsets of constants, 0 = none
    struct prog_view in[2], out;
    // PROG_ADD: zero0, zero1, mult0, shift0, mult1, shift1, mult_out, shift_out, left_shift
    // PROG_SOFTMAX: beta_mult, beta_shift, diff_min
    // PROG_CONV_X2 and following: zero-point pixel (offset), enum prog_end
    // PROG_DWCONV_X2: [2] positions at a time, 1 or 2
    int32_t p[9];
};

// A stage in a band, where a step computes positions [lo, lo + n): all operators from the head on, up to the first
// that does not make a chunk. Simple ones have slice kernels only, do all positions at a time, and do not
// read the model input.
struct prog_stage {
    uint32_t head;     // offset of its first operator
    uint16_t chunk;    // positions at a time; 0 = all
    uint16_t simple;   // 1 or 0
    uint16_t in, out;  // origins of the head's operand 0 and of the last one's output
    uint32_t reserved; // a record is found by a shift
    int32_t lo, n;
    // Bytes from where slices begin to position 0 of the input, and to position lo of the output.
    int32_t to_first, to_lo;
};

// Of a window, along slices: taps [first, first + n) lie inside the tensor.
struct prog_taps {
    uint16_t first, n;
    uint16_t wrap;   // RING: slices from that of the first tap to the ring's end; others: 0
    uint16_t slices; // that a step makes
};

// Several slices, one behind the other, are made by simple stages that are one 1x1 convolution of PROG_CONV_X2
// whose inputs are widened, of PROG_CONV_B4, or of PROG_CONV_M16 with at most PROG_M16_VALUES inputs: in one kernel
// call. Both places are counted from their origins.
struct prog_step {
    struct prog_taps taps; // of the head's operand 0
    uint16_t stage;        // index of it, in band 0
    uint16_t slice;        // the first that is made
    uint32_t in;           // where the slice of the first tap begins
    uint32_t out;          // where the slice that is made begins
};

struct prog_move { // done before the call, in order; may overlap (memmove)
    uint32_t dst, src, bytes;
};

struct prog_base {  // of a window during a call
    int32_t offset; // arena, where row 0 would lie; of the rows that are there none lies outside
};

struct prog_part {
    uint16_t first_stage, n_stages; // in band 0
    uint16_t
        band_stages; // from a stage in a band to the same in the next: those of the block or cell
    uint16_t acc_op; // operator (index into ops) whose accumulators end the part; 0xFFFF = none
    uint32_t group_bytes; // of constants, from one group of channels to the next
    // int32 accumulators: arena offset with acc_op, else relative to the call's scratch.
    uint32_t acc, acc_bytes;
};

struct prog_call {
    uint16_t part, first_band, n_bands;
    uint16_t n_groups; // runs of every band, each with the constants of the next group of channels
    uint16_t n_moves;
    uint16_t n_bases;
    uint16_t flags; // PROG_CALL_...
    uint16_t reserved;
    uint32_t moves, bases; // offsets
    uint32_t steps;        // offset; the same steps for every band
    uint32_t n_steps;
    uint32_t scratch; // arena offset that rings and chunks are relative to
};
#define PROG_CALL_BEGIN 1u // zero the accumulators first
#define PROG_CALL_END 2u   // close them

struct prog_block {
    uint16_t first_op, n_ops; // of all its parts
    uint32_t calls, n_calls;  // offset
    uint32_t arena_bytes;     // one past the highest arena byte that the block touches
};

struct prog_header {
    uint32_t magic, version, total_bytes;
    uint32_t crc32;                // IEEE 802.3 of total_bytes bytes, this field taken as zero
    uint32_t arena_bytes;          // of the whole program
    uint32_t output, output_bytes; // arena offset of the model output; with
                                   // PROG_FLAG_OUTPUT_OUTSIDE it lies in the caller's memory
    uint32_t input, input_bytes;   // program offset of the test input
    uint16_t in_h, in_w, in_c;
    uint16_t flags; // PROG_FLAG_...
    uint16_t n_blocks, n_ops, n_parts, reserved;
    uint32_t blocks, stages, ops, parts; // offsets
    char variant[16]; // kernel variant that the constants are laid out for, NUL-padded
};
#define PROG_FLAG_INPUT_STREAMED 1u // the input is read once, in order
#define PROG_FLAG_OUTPUT_OUTSIDE 2u

_Static_assert(sizeof(struct prog_view) == 24, "wire layout");
_Static_assert(sizeof(struct prog_op) == 156, "wire layout");
_Static_assert(sizeof(struct prog_stage) == 32, "wire layout");
_Static_assert(sizeof(struct prog_step) == 20, "wire layout");
_Static_assert(sizeof(struct prog_part) == 20, "wire layout");
_Static_assert(sizeof(struct prog_call) == 36, "wire layout");
_Static_assert(sizeof(struct prog_block) == 16, "wire layout");
_Static_assert(sizeof(struct prog_header) == 84, "wire layout");

#endif
