// SPDX-License-Identifier: MIT
// The seeded networks: their files are sound, reproducible, of the shapes and work that the paper's
// lists have, and every layer of them carries a live signal when TFLite's own arithmetic runs them.
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "models/fb.h"
#include "models/scale.h"
#include "models/zoo.h"
#include "server/planner/graph.h"
#include "server/planner/reference.h"
#include "server/planner/tflite.h"
#include "tests/tap.h"

#define MAX_FILE (32u << 20)
enum {
    OP_ADD = 0,
    OP_CONV = 3,
    OP_DWCONV = 4,
    OP_DENSE = 9,
    OP_RESHAPE = 22,
    OP_SOFTMAX = 25,
    OP_PAD = 34
};

// Stated apart from the generator. MACs of the chains: the sums of the paper's layer lists, padding
// counted as computed; of the others, those plus the dense layers. The hash pins the bytes: it must
// be the same on every machine.
static const struct expected {
    const char *name;
    int in[3], out_elements;
    int convs, adds, pads;
    uint64_t macs;
    uint64_t hash; // FNV-1a of the file with seed 1
    bool run;      // with the reference, here
} expected[] = {
    // clang-format off
    {"tiny_mbv2",              {48, 48, 3},   10,          16, 2,  3, 1522432, 0x0F1B6E85DD756192, true},
    {"lenet5",                 {28, 28, 1},   10,          2,  0,  0, 416520, 0x4161D3D7F8CF1572, true},
    {"dscnn_kws",              {49, 10, 1},   12,          9,  0,  0, 2656768, 0x2A6998631D28E543, true},
    {"mbv2_w035_r144",         {144, 144, 3}, 1000,        53, 10, 4, 18909490 + 448000, 0x3807FDFD084453EB, true},
    {"mbv2_w035_r144_chain",   {144, 144, 3}, 5 * 5 * 448, 53, 0,  4, 18909490, 0xB4037C8C58E0FDD3, true},
    {"mcunet_vww5_r80",        {80, 80, 3},   2,           45, 8,  4, 11578496 + 320, 0x59366F45162D538F, true},
    {"mcunet_vww5_r80_chain",  {80, 80, 3},   3 * 3 * 160, 45, 0,  4, 11578496, 0x146401FC091C5982, true},
    {"mcunet_320k_r176",       {176, 176, 3}, 1000,        54, 11, 4, 81625520 + 160000, 0xF1D9FD4B930528D4, false},
    {"mcunet_320k_r176_chain", {176, 176, 3}, 6 * 6 * 160, 54, 0,  4, 81625520, 0xB37168CD23185C7B, true},
    // clang-format on
};
#define N_EXPECTED (sizeof expected / sizeof *expected)

static uint64_t hash_bytes(const void *bytes, size_t n)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001B3);
    return h;
}

enum kind { NOISE, WALK, EXTREME };
static const char *const kind_names[] = {"noise", "walks", "extremes"};

// The planner's generator of test inputs: one step of xorshift32 an element.
static void draw_input(uint32_t seed, enum kind kind, int8_t *x, size_t n)
{
    uint32_t s = seed;
    int w = 0;
    for (size_t i = 0; i < n; i++) {
        s ^= s << 13;
        s ^= s >> 17;
        s ^= s << 5;
        w += (int)((s >> 24) % 31) - 15;
        w = w < -128 ? -128 : w > 127 ? 127 : w;
        x[i] = (int8_t)(kind == WALK      ? w
                        : kind == EXTREME ? (s >> 31 ? 127 : -128)
                                          : (int8_t)(s >> 24));
    }
}

static int count_ops(const struct tflite_model *m, int code)
{
    int n = 0;
    for (int i = 0; i < m->n_ops; i++)
        n += m->ops[i].code == code;
    return n;
}

// Multiply-accumulates from the tensors' shapes alone.
static uint64_t count_macs(const struct tflite_model *m)
{
    uint64_t macs = 0;
    for (int i = 0; i < m->n_ops; i++) {
        const struct tflite_op *op = &m->ops[i];
        if (op->code != OP_CONV && op->code != OP_DWCONV && op->code != OP_DENSE)
            continue;
        const struct tflite_tensor *w = &m->tensors[op->inputs[1]],
                                   *out = &m->tensors[op->outputs[0]];
        uint64_t per_output = w->elements / (uint64_t)w->dims[op->code == OP_DWCONV ? 3 : 0];
        macs += per_output * out->elements;
    }
    return macs;
}

// What TFLite's kernels take for granted of a quantised convolution or dense layer.
static bool constants_sound(const struct tflite_model *m, const struct tflite_op *op,
                            const char **why)
{
    const struct tflite_tensor *x = &m->tensors[op->inputs[0]], *w = &m->tensors[op->inputs[1]],
                               *b = &m->tensors[op->inputs[2]];
    int channels = op->code == OP_DWCONV ? w->dims[3] : w->dims[0];
    int scales = op->code == OP_DENSE ? 1 : channels;
    *why = "a count of scales";
    if (w->n_scales != scales || b->n_scales != scales || !w->data || !b->data ||
        (int)b->elements != channels)
        return false;
    *why = "the channels' axis";
    if (w->quantized_dim != (op->code == OP_DWCONV ? 3 : 0) || b->quantized_dim != 0)
        return false;
    for (int c = 0; c < scales; c++) {
        double product = (double)tflite_scale(x, 0) * (double)tflite_scale(w, c),
               bias = (double)tflite_scale(b, c);
        *why = "a zero point of a constant";
        if (tflite_zero(w, c) != 0 || tflite_zero(b, c) != 0)
            return false;
        *why = "a bias scale that is not input scale * weight scale";
        if (!(product > 0) || fabs(bias - product) > 1e-6 * product)
            return false;
    }
    // Weights use their whole range, and -128 never occurs.
    int peak = 0;
    *why = "weights";
    for (size_t i = 0; i < w->elements; i++) {
        int v = (int8_t)w->data[i];
        if (v == -128)
            return false;
        peak = abs(v) > peak ? abs(v) : peak;
    }
    return peak == 127;
}

static void check_structure(const struct expected *want, const struct tflite_model *m)
{
    const struct tflite_tensor *in = &m->tensors[m->inputs[0]], *out = &m->tensors[m->outputs[0]];
    OKF(m->n_inputs == 1 && m->n_outputs == 1, "%s: one input, one output", want->name);
    OKF(in->n_dims == 4 && in->dims[0] == 1 &&
            memcmp(in->dims + 1, want->in, sizeof want->in) == 0 && in->type == TFLITE_INT8,
        "%s: input %dx%dx%d", want->name, want->in[0], want->in[1], want->in[2]);
    EQ_INT(out->elements, want->out_elements);
    EQ_INT(count_ops(m, OP_CONV) + count_ops(m, OP_DWCONV), want->convs);
    EQ_INT(count_ops(m, OP_ADD), want->adds);
    EQ_INT(count_ops(m, OP_PAD), want->pads);
    EQ_INT(count_macs(m), want->macs);
    OKF(strstr(m->description, want->name) != NULL, "%s: its name is in the description",
        want->name);
    bool sound = true;
    for (int i = 0; i < m->n_ops && sound; i++) {
        const struct tflite_op *op = &m->ops[i];
        const char *why = "";
        if (op->code == OP_CONV || op->code == OP_DWCONV || op->code == OP_DENSE)
            sound = constants_sound(m, op, &why);
        if (!sound)
            printf("# %s: operator %d %s: %s\n", want->name, i, op->name, why);
    }
    OKF(sound, "%s: weights, biases and their scales are sound", want->name);
}

static void check_graph(const struct expected *want, const struct tflite_model *m)
{
    struct graph g = {0};
    struct err e = {0};
    bool built = graph_build(&g, m, &e) == 0;
    if (OKF(built, "%s: the planner takes it%s%s", want->name, built ? "" : ": ", e.msg)) {
        EQ_INT(g.macs, want->macs);
        int padded = 0;
        for (int i = 0; i < g.n_layers; i++)
            padded += g.layers[i].op == LAYER_PAD;
        OKF(padded == 0, "%s: every PAD became its convolution's padding", want->name);
        graph_free(&g);
    }
}

// Whether a tensor of n values in c channels carries a signal in two runs, a and b.
static bool alive(const int8_t *a, const int8_t *b, size_t n, size_t c, const char **why)
{
    size_t count[256] = {0}, distinct = 0, differ = 0, dead = 0;
    for (size_t i = 0; i < n; i++) {
        count[a[i] + 128]++;
        differ += a[i] != b[i];
    }
    for (int v = 0; v < 256; v++)
        distinct += count[v] > 0;
    for (size_t o = 0; o < c; o++) {
        bool constant = true;
        for (size_t i = o; i < n && constant; i += c)
            constant = a[i] == a[o] && b[i] == a[o];
        dead += constant;
    }
    *why = "too few distinct values";
    if (distinct < (n < 256 ? n / 4 : 64))
        return false;
    *why = "saturated above";
    if (n > 64 && count[255] * 20 > n)
        return false;
    *why = "saturated below";
    if (n > 64 && count[0] * 10 > n * 7)
        return false;
    *why = "dead channels";
    if (n > c && dead * 10 > c)
        return false;
    *why = "the same for another input";
    return differ * 3 > n;
}

// Runs the model on two inputs and checks each operator's output.
static void check_alive(const struct expected *want, const struct tflite_model *m, enum kind kind)
{
    struct reference *r[2] = {NULL, NULL};
    size_t n = m->tensors[m->inputs[0]].elements;
    int8_t *x = malloc(n);
    struct err e = {0};
    bool ran = x != NULL;
    for (int i = 0; i < 2 && ran; i++) {
        draw_input(i ? 0xCAFEF00Du : 0x12345678u, kind, x, n);
        ran = reference_run_core(m, x, n, &r[i], &e) == 0;
    }
    free(x);
    if (!OKF(ran, "%s: the reference runs it%s%s", want->name, ran ? "" : ": ", e.msg))
        goto out;
    bool all_alive = true; // extremes are beyond what the scales were made for: clamps may bite
    for (int i = 0; i < m->n_ops && kind != EXTREME; i++) {
        const struct tflite_op *op = &m->ops[i];
        const char *why = "";
        size_t bytes = 0;
        const int8_t *a = reference_tensor(r[0], op->outputs[0], &bytes);
        const int8_t *b = reference_tensor(r[1], op->outputs[0], &bytes);
        if (op->code == OP_PAD || op->code == OP_RESHAPE || op->code == OP_SOFTMAX)
            continue;
        const struct tflite_tensor *t = &m->tensors[op->outputs[0]];
        if (!alive(a, b, bytes, (size_t)t->dims[t->n_dims - 1], &why)) {
            printf("# %s, %s: operator %d %s '%s': %s\n", want->name, kind_names[kind], i, op->name,
                   t->name, why);
            all_alive = false;
        }
    }
    if (kind != EXTREME)
        OKF(all_alive, "%s: every layer is alive on %s", want->name, kind_names[kind]);
    size_t bytes = 0;
    const int8_t *a = reference_tensor(r[0], m->outputs[0], &bytes),
                 *b = reference_tensor(r[1], m->outputs[0], &bytes);
    OKF(memcmp(a, b, bytes) != 0, "%s: two inputs of %s, two outputs", want->name,
        kind_names[kind]);
out:
    reference_free(r[0]);
    reference_free(r[1]);
}

static void test_model(const struct expected *want)
{
    struct buf file, again;
    struct err e = {0};
    struct tflite_model m;
    buf_init(&file, MAX_FILE);
    buf_init(&again, MAX_FILE);
    bool written = zoo_write(want->name, 1, &file, &e) == 0;
    if (!OKF(written, "%s: written%s%s", want->name, written ? "" : ": ", e.msg))
        goto out;
    uint64_t hash = hash_bytes(file.data, file.len);
    if (!OKF(hash == want->hash, "%s: the same bytes as on every machine", want->name))
        printf("#   %zu bytes, hash 0x%016llX\n", file.len, (unsigned long long)hash);
    bool parsed = tflite_parse(&m, file.data, file.len, &e) == 0;
    if (!OKF(parsed, "%s: the parser takes it%s%s", want->name, parsed ? "" : ": ", e.msg))
        goto out;
    check_structure(want, &m);
    check_graph(want, &m);
    if (want->run) {
        for (int kind = NOISE; kind <= EXTREME; kind++)
            check_alive(want, &m, (enum kind)kind);
    }
    tflite_free(&m);
    struct zoo_info info;
    OKF(zoo_describe(want->name, &info, &e) == 0 && info.macs == want->macs &&
            info.h == want->in[0],
        "%s: --list tells the same", want->name);
out:
    buf_free(&file);
    buf_free(&again);
}

static void test_seeds(void)
{
    struct buf one, same, two;
    struct err e = {0};
    buf_init(&one, MAX_FILE);
    buf_init(&same, MAX_FILE);
    buf_init(&two, MAX_FILE);
    OK(zoo_write("lenet5", 7, &one, &e) == 0 && zoo_write("lenet5", 7, &same, &e) == 0);
    OK(zoo_write("lenet5", UINT64_MAX, &two, &e) == 0);
    OKF(one.len == same.len && memcmp(one.data, same.data, one.len) == 0,
        "a seed gives the same bytes again");
    size_t n = one.len < two.len ? one.len : two.len, differ = 0;
    for (size_t i = 0; i < n; i++)
        differ += one.data[i] != two.data[i];
    OKF(differ > n / 2, "another seed gives other weights");
    buf_free(&one);
    buf_free(&same);
    buf_free(&two);
}

static void test_errors(void)
{
    struct err e = {0};
    struct zoo_info info;
    struct buf small;
    buf_init(&small, 1000);
    OK(zoo_write("no_such_net", 1, &small, &e) == -1);
    EQ_INT(e.code, ERR_NOT_FOUND);
    OK(strstr(e.msg, "no_such_net") != NULL);
    err_clear(&e);
    OK(zoo_describe("", &info, &e) == -1);
    EQ_INT(e.code, ERR_NOT_FOUND);
    err_clear(&e);
    OK(zoo_write("lenet5", 1, &small, &e) == -1);
    EQ_INT(e.code, ERR_TOO_LARGE);
    buf_free(&small);
}

static void test_scales(void)
{
    static const struct {
        uint64_t num, den;
    } ratios[] = {{1, 1},   {1, 3},        {2, 3},         {1, 255},         {6, 255},
                  {2, 255}, {0xFFFFFF, 1}, {0x1FFFFFF, 1}, {1, 0x7FFFFFFFFF}};
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        struct scale s = scale_ratio(ratios[i].num, ratios[i].den);
        double want = (double)ratios[i].num / (double)ratios[i].den;
        OKF(s.m >= 1u << 23 && s.m < 1u << 24 &&
                fabs((double)scale_float(s) / want - 1) < 1.0 / (1 << 23),
            "%llu / %llu as a scale", (unsigned long long)ratios[i].num,
            (unsigned long long)ratios[i].den);
    }
    struct scale third = scale_ratio(1, 3), seven = scale_ratio(7, 1);
    OK(scale_float(third) == 1.0f / 3.0f);
    OK(fabs((double)scale_float(scale_mul(third, seven)) * 3 / 7 - 1) < 2.0 / (1 << 23));
    OK(fabs((double)scale_float(scale_div(third, seven)) * 21 - 1) < 2.0 / (1 << 23));
    OK(scale_float(scale_shift(third, -5)) == 1.0f / 96.0f);
    struct scale half = scale_ratio(1, 2), million = scale_ratio(1000000, 1);
    EQ_INT(scale_apply(5, half), 3);
    EQ_INT(scale_apply(-5, half), -3);
    EQ_INT(scale_apply(-4, half), -2);
    EQ_INT(scale_apply(123456, million), 123456000000);
    EQ_INT(scale_apply(1, scale_shift(half, -100)), 0);
    EQ_INT(div_round(7, 2), 4);
    EQ_INT(div_round(-7, 2), -4);
    EQ_INT(div_round(-1, 3), 0);
}

static void test_flatbuffer(void)
{
    struct buf b;
    buf_init(&b, 4096);
    fb_begin(&b, "TEST");
    size_t t =
        fb_table(&b, (struct fb_field[]){fb_u8(0, 7), fb_ref(3), fb_i32(1, -2), fb_ref(4)}, 4);
    fb_link_root(&b, t);
    size_t s = fb_string(&b, "abcde");
    fb_link(&b, t, 3, s);
    size_t v = fb_bytes(&b, "xyz", 3);
    fb_link(&b, t, 4, v);
    size_t w = fb_i64s(&b, (int64_t[]){-1, 2}, 2);
    OK(!b.failed);
    EQ_INT(b.data[0], t);
    OK(memcmp(b.data + 4, "TEST", 4) == 0);
    const uint8_t *table = b.data + t, *vtable = table - table[0];
    EQ_INT(t % 4, 0);
    EQ_INT(vtable[0], 4 + 2 * 5);
    EQ_INT(vtable[2], 4 + 3 * 4 + 1);
    EQ_INT(table[vtable[4]], 7);
    OK(memcmp(table + vtable[6], "\xFE\xFF\xFF\xFF", 4) == 0);
    EQ_INT(vtable[8], 0); // field 2 is absent
    EQ_INT(t + vtable[10] + table[vtable[10]], s);
    EQ_INT(t + vtable[12] + table[vtable[12]], v);
    OK(memcmp(b.data + s, "\5\0\0\0abcde\0", 10) == 0);
    EQ_INT((v + 4) % 16, 0);
    OK(memcmp(b.data + v, "\3\0\0\0xyz", 7) == 0);
    EQ_INT((w + 4) % 8, 0);
    OK(memcmp(b.data + w, "\2\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\2\0\0\0\0\0\0\0", 20) == 0);
    buf_free(&b);

    buf_init(&b, 20); // the limit is hit in the middle, and nothing is touched beyond it
    fb_begin(&b, "TEST");
    t = fb_table(&b, (struct fb_field[]){fb_ref(0)}, 1);
    fb_link(&b, t, 0, fb_string(&b, "far too long for the limit"));
    OK(b.failed && b.len <= 20);
    buf_free(&b);
}

// Runs a program with its standard output and error in `out`; its exit status, -1 when it could not
// run or crashed.
static int run_program(char *const argv[], struct buf *out)
{
    int fd[2], status = 0;
    buf_reset(out);
    if (pipe(fd) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[1], 1);
        dup2(fd[1], 2);
        close(fd[0]);
        close(fd[1]);
        execv(argv[0], argv);
        _exit(127);
    }
    close(fd[1]);
    char chunk[4096];
    ssize_t n;
    while (pid > 0 && (n = read(fd[0], chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)n);
    close(fd[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void test_program(const char *self)
{
    char program[512], own[512], dir[] = "/tmp/t_models.XXXXXX", file[64], part[72], missing[64];
    struct buf out, want, got;
    struct err e = {0};
    buf_init(&out, 1 << 16);
    buf_init(&want, MAX_FILE);
    buf_init(&got, MAX_FILE);
    snprintf(own, sizeof own, "%s", self);
    snprintf(program, sizeof program, "%s/farm-models", dirname(own));
    if (access(program, X_OK) != 0) {
        SKIP("the program", "farm-models is not built beside this test");
        return;
    }
    if (!OK(mkdtemp(dir) != NULL))
        return;
    snprintf(file, sizeof file, "%s/out.tflite", dir);
    snprintf(part, sizeof part, "%s.part", file);
    snprintf(missing, sizeof missing, "%s/no/such", dir);

    EQ_INT(run_program((char *[]){program, "--help", NULL}, &out), 0);
    OK(strstr(buf_str(&out), "usage: farm-models NAME -o FILE") != NULL);
    EQ_INT(run_program((char *[]){program, "--list", NULL}, &out), 0);
    for (size_t i = 0; i < zoo_count(); i++)
        OKF(strstr(buf_str(&out), zoo_at(i)->name) != NULL, "--list names %s", zoo_at(i)->name);

    EQ_INT(run_program((char *[]){program, "lenet5", "--seed", "0x2A", "-o", file, NULL}, &out), 0);
    OK(zoo_write("lenet5", 42, &want, &e) == 0 && buf_read_file(&got, file) == 0);
    OKF(got.len == want.len && memcmp(got.data, want.data, got.len) == 0, "-o writes the model");
    OKF(access(part, F_OK) != 0, "nothing is left beside it");
    buf_reset(&got);
    EQ_INT(run_program((char *[]){program, "lenet5", "-o", file, NULL}, &out), 0);
    OK(buf_read_file(&got, file) == 0 && hash_bytes(got.data, got.len) == expected[1].hash);

    static const struct {
        const char *args[4];
        int status;
        const char *says;
    } wrong[] = {
        {{NULL}, 2, "--help"},
        {{"lenet5"}, 2, "-o FILE"},
        {{"lenet5", "-o"}, 2, "-o needs a value"},
        {{"lenet5", "lenet5"}, 2, "unexpected argument"},
        {{"--seed", "-1", "lenet5"}, 2, "'-1' is not a seed"},
        {{"--seed", "18446744073709551616"}, 2, "is not a seed"},
        {{"nosuch", "-o", "/dev/null"}, 1, "there is no model 'nosuch'"},
        {{"lenet5", "-o", "/dev/full"}, 1, "/dev/full: No space left"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *argv[6] = {program};
        for (int k = 0; k < 4 && wrong[i].args[k]; k++)
            argv[k + 1] = (char *)(uintptr_t)wrong[i].args[k];
        int status = run_program(argv, &out);
        if (!OKF(status == wrong[i].status && strstr(buf_str(&out), wrong[i].says), "it says '%s'",
                 wrong[i].says))
            printf("#   status %d: %s\n", status, buf_str(&out));
    }
    EQ_INT(run_program((char *[]){program, "lenet5", "-o", missing, NULL}, &out), 1);
    OK(strstr(buf_str(&out), missing) != NULL);
    unlink(file);
    OKF(rmdir(dir) == 0, "and leaves nothing else");
    buf_free(&out);
    buf_free(&want);
    buf_free(&got);
}

int main(int argc, char **argv)
{
    (void)argc;
    test_scales();
    test_flatbuffer();
    test_errors();
    test_seeds();
    EQ_INT(zoo_count(), N_EXPECTED);
    for (size_t i = 0; i < N_EXPECTED; i++)
        test_model(&expected[i]);
    test_program(argv[0]);
    return tap_done();
}
