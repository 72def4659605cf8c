// SPDX-License-Identifier: MIT
// Kernels against arithmetic written out plainly: additions and the last step from a sum to a byte, with multipliers and
// shifts at the edges of their ranges. Convolutions of every variant meet on random networks in t_fusion.c.
#include "tests/tap.h"

#include <math.h>

#include "firmware/kernels/blocked.h"
#include "firmware/kernels/fixed.h"
#include "firmware/kernels/kernels.h"

static uint32_t state = 2463534242u;

static uint32_t next(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static int32_t pick(int32_t lo, int32_t hi) // lo..hi
{
    return lo + (int32_t)(next() % ((uint32_t)(hi - lo) + 1));
}

// x * mult * 2^(shift - 31) in two roundings, as the specification has it, in 64-bit arithmetic.
static int64_t requant_plain(int64_t x, int64_t mult, int shift)
{
    int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    int64_t product = x * ((int64_t)1 << left) * mult;
    int64_t high = (int64_t)floor((double)product / 2147483648.0 + 0.5); // exact: |product| < 2^53
    int64_t half = right ? (int64_t)1 << (right - 1) : 0, size = high < 0 ? -high : high;
    int64_t rounded = right ? (size + half) >> right : size; // half away from zero
    return high < 0 ? -rounded : rounded;
}

static void check_requant(void)
{
    static const int32_t mults[] = {1 << 30, INT32_MAX, (1 << 30) + 1, 0x5A827999};
    int bad_fx = 0, bad_fast = 0, tries = 0;
    for (int shift = -31; shift <= 3; shift++) {
        for (int i = 0; i < 20000; i++) {
            int32_t mult = i % 3 ? mults[i % 4] : pick(1 << 30, INT32_MAX);
            int32_t x = pick(-(1 << 21), 1 << 21); // times 2^31 stays exact in a double
            if (i % 7 == 0)
                x = pick(-3, 3);
            int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
            int64_t want = requant_plain(x >> left, mult, shift);
            bad_fx += fx_requant(x >> left, mult, shift) != want;
            struct prog_requant_fast fast = {mult, right ? 1 << (right - 1) : 0, right, left};
            struct fast_out o = {.zero = pick(-128, 127), .min = -128, .max = 127};
            int64_t byte = want + o.zero < -128 ? -128 : want + o.zero > 127 ? 127 : want + o.zero;
            bad_fast += fast_finish(&o, &fast, (x >> left) * 2) != byte;
            if (right > 0 && right <= 20 && left == 0) {
                fast.round += o.zero * (1 << right);
                bad_fast += fast_finish_simple(&fast, x * 2) != byte;
                bad_fast += fast_end_simple(x * 2, (uint32_t)mult, (uint32_t)fast.round,
                                            (uint32_t)right) != byte;
            }
            if (right <= 20 && left == 0) { // behind a ReLU
                const int32_t half = right ? 1 << (right - 1) : 0;
                const struct prog_requant_fast relu = {
                    mult, 2 * half + 1 - 128 * (1 << (right + 1)), right + 1, 0};
                byte = want - 128 < -128 ? -128 : want - 128 > 127 ? 127 : want - 128;
                bad_fast += blocked_end_relu(&relu, x) != byte;
                bad_fast += fast_end_relu(x * 4, (uint32_t)mult, (uint32_t)relu.round,
                                          (uint32_t)relu.right) != byte;
                if (right <= PROG_X2_MAX_RIGHT) // of an upper channel of a pair
                    bad_fast +=
                        fast_end_relu((int32_t)((uint32_t)x * 256), (uint32_t)mult,
                                      (uint32_t)relu.round * 64, (uint32_t)relu.right + 6) != byte;
            }
            tries++;
        }
    }
    OKF(bad_fx == 0, "%d multiplications are rounded as specified (%d bad)", tries, bad_fx);
    OKF(bad_fast == 0, "... and so by the packed kernels' last step (%d bad)", bad_fast);
    EQ_INT(fx_mul_high(INT32_MIN, INT32_MIN), INT32_MAX);
    EQ_INT(fx_shift_right(-3, 1), -2);
    EQ_INT(fx_shift_right(3, 1), 2);
    EQ_INT(fx_shift_right(INT32_MAX, 31), 1);
    EQ_INT(fx_shift_right(INT32_MIN, 31), -1);
}

enum { PIXELS = 5, CHANNELS = 7 };

// One addition with random parameters; shifts_at_most limits the shifts, so that both code paths are met.
static int check_add(int shifts_at_most)
{
    int8_t a[PIXELS * CHANNELS], b[PIXELS * CHANNELS], y[PIXELS * CHANNELS + 2];
    struct prog_op op = {.out_c = CHANNELS, .out_zero = (int16_t)pick(-128, 127)};
    op.act_min = (int16_t)pick(-128, 0);
    op.act_max = (int16_t)pick(1, 127);
    op.p[0] = pick(-128, 127);
    op.p[1] = pick(-128, 127);
    op.p[8] = shifts_at_most > 0 ? 8 : 20;
    for (int i = 2; i < 8; i += 2) {
        op.p[i] = pick(1 << 30, INT32_MAX);
        op.p[i + 1] = pick(i == 6 ? -22 : -3, i == 6 ? -17 : shifts_at_most);
    }
    for (int i = 0; i < PIXELS * CHANNELS; i++) {
        a[i] = (int8_t)(next() >> 24);
        b[i] = (int8_t)(i % 5 ? next() >> 24 : i % 2 ? 0x80 : 0x7F);
    }
    y[0] = y[PIXELS * CHANNELS + 1] = 0x55;
    op.in[0].pix_step = op.in[1].pix_step = op.out.pix_step = CHANNELS;
    k_add(&op, &(struct k_call){.out = y + 1, .first = 0, .n = PIXELS}, a, b);
    int bad = y[0] != 0x55 || y[PIXELS * CHANNELS + 1] != 0x55;
    for (int i = 0; i < PIXELS * CHANNELS; i++) {
        int32_t va = fx_requant((a[i] - op.p[0]) * (1 << op.p[8]), op.p[2], op.p[3]);
        int32_t vb = fx_requant((b[i] - op.p[1]) * (1 << op.p[8]), op.p[4], op.p[5]);
        int32_t v = fx_requant(va + vb, op.p[6], op.p[7]) + op.out_zero;
        bad += y[i + 1] != (v < op.act_min ? op.act_min : v > op.act_max ? op.act_max : v);
    }
    return bad;
}

int main(void)
{
    int common = 0, rare = 0;
    check_requant();
    for (int i = 0; i < 5000; i++) {
        common += check_add(0) != 0;
        rare += check_add(2) != 0;
    }
    OKF(common == 0, "additions with shifts to the right only (%d bad)", common);
    OKF(rare == 0, "additions with shifts to the left (%d bad)", rare);
    return tap_done();
}
