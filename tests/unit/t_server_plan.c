// SPDX-License-Identifier: MIT
// Plans by themselves: defaults, the keys of series, a part of a plan; how long a webhook waits between its tries; CSV and SVG
// with names that try to break out.
#include "server/plan.h"
#include "server/run_out.h"
#include "server/webhook.h"
#include "tests/tap.h"

static const char text[] =
    "{\"title\":\"t\",\"models\":[{\"network\":\"lenet5\"}],\"boards\":[\"a\",\"b\"],"
    "\"configurations\":["
    "{\"strategy\":\"vanilla\"},{\"strategy\":\"pareto\",\"pick\":\"least-ram\"},"
    "{\"strategy\":\"pareto\",\"max_overhead\":1.10},{\"strategy\":\"msfcnn\",\"max_ram\":16384},"
    "{\"strategy\":\"pareto\",\"points\":3},{\"spec\":\"0:plain\",\"name\":\"mine\"},"
    "{\"strategy\":\"pareto\",\"points\":2,\"name\":\"few\"}]}";

static void check_keys(void)
{
    static struct plan plan;
    struct problem p = {0};
    char key[PLAN_KEY_SIZE];
    static const char *const keys[] = {
        "vanilla", "pareto least-ram", "pareto F<=1.1", "msfcnn RAM<=16384", "pareto 1/3",
        "mine",    "few 1/2"};
    EQ_INT(plan_parse(text, sizeof text - 1, NULL, &plan, &p), 0);
    EQ_INT(plan.repeats, 3);
    EQ_INT(plan.max_minutes, 240);
    EQ_INT(plan.thresholds.window_nights, detect_limits_default().window_nights);
    for (int i = 0; i < plan.n_configs; i++) {
        plan_key(&plan.configs[i], 0, key);
        EQ_STR(key, keys[i]);
    }
    plan_key(&plan.configs[4], 2, key);
    EQ_STR(key, "pareto 3/3");
    plan_free(&plan);
}

static void check_part(void)
{
    static struct plan plan;
    struct run_request_in want = {.n_boards = 1, .boards = {"b"}};
    struct problem p = {0};
    struct buf part;
    buf_init(&part, PLAN_MAX_BYTES);
    EQ_INT(plan_restrict(text, sizeof text - 1, &want, &part, &p), 0);
    EQ_INT(plan_parse(buf_str(&part), part.len, NULL, &plan, &p), 0);
    EQ_INT(plan.n_boards, 1);
    EQ_STR(plan.boards[0], "b");
    EQ_INT(plan.n_configs, 7);
    plan_free(&plan);
    buf_reset(&part);
    snprintf(want.boards[0], sizeof want.boards[0], "c");
    EQ_INT(plan_restrict(text, sizeof text - 1, &want, &part, &p), -1);
    EQ_STR(p.field, "boards[0]");
    buf_free(&part);
}

static void check_waits(void)
{
    EQ_INT(webhook_wait_ms(1), 2000);
    EQ_INT(webhook_wait_ms(2), 10000);
    EQ_INT(webhook_wait_ms(3), 50000);
    EQ_INT(webhook_wait_ms(WEBHOOK_ATTEMPTS - 1), 3600000);
    EQ_INT(webhook_wait_ms(WEBHOOK_ATTEMPTS), 0);
}

static void check_names(void)
{
    struct buf b;
    struct point p = point_blank();
    p.plan = p.model = p.board = "x";
    p.model_name = "=cmd|' /C calc'!A0";
    p.config = "a\"b,c";
    buf_init(&b, 1u << 16);
    run_out_point_csv(&b, &p);
    OK(strstr(buf_str(&b), "\"'=cmd|' /C calc'!A0\"") != NULL);
    OK(strstr(buf_str(&b), "\"a\"\"b,c\"") != NULL);
    buf_reset(&b);
    run_out_badge(&b, "nightly", "");
    OK(strstr(buf_str(&b), "nightly: not run yet") != NULL);
    buf_free(&b);
    OK(run_out_is_regression("ram-growth") && run_out_is_regression("front-left"));
    OK(!run_out_is_regression("faster") && !run_out_is_regression("missing") &&
       !run_out_is_regression("nonsense"));
}

int main(void)
{
    check_keys();
    check_part();
    check_waits();
    check_names();
    return tap_done();
}
