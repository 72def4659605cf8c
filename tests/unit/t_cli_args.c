// SPDX-License-Identifier: MIT
// The command line of `farm`: every command and option is taken, every mistake is named.
#include "cli/args.h"

#include "tests/tap.h"

#define MAX_WORDS 16

// Parses "submit m.tflite --points 3" (words between blanks). The words live until the next call.
static int parse(struct cli_args *a, const char *line, struct err *e)
{
    static char words[512];
    char *argv[MAX_WORDS] = {"farm"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *save = NULL, *w = strtok_r(words, " ", &save); w && argc < MAX_WORDS;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    err_clear(e);
    return cli_args_parse(a, argc, argv, NULL, NULL, e);
}

static void test_commands(void)
{
    struct cli_args a;
    struct err e;
    EQ_INT(parse(&a,
                 "submit m.tflite --boards nucleo-f767zi,hifive1b --points=20 --repeats 5 --name "
                 "night --watch",
                 &e),
           0);
    EQ_INT(a.command, CLI_SUBMIT);
    EQ_STR(a.target, "m.tflite");
    EQ_INT(a.n_boards, 2);
    EQ_STR(a.boards[0], "nucleo-f767zi");
    EQ_STR(a.boards[1], "hifive1b");
    EQ_INT(a.n_strategies, 0);
    EQ_INT(a.points, 20);
    EQ_INT(a.repeats, 5);
    EQ_STR(a.name, "night");
    OK(a.watch && !a.json && !a.all);

    EQ_INT(parse(&a, "--json front 7 --max-ram 16KiB --max-overhead 1.2", &e), 0);
    EQ_INT(a.command, CLI_FRONT);
    EQ_STR(a.target, "7");
    EQ_INT(a.max_ram, 16384);
    OK(a.max_overhead > 1.1999 && a.max_overhead < 1.2001);
    OK(a.json && !a.watch);

    EQ_INT(parse(&a, "submit m --strategy vanilla,msfcnn-paper", &e), 0);
    EQ_INT(a.n_strategies, 2);
    EQ_STR(a.strategies[1], "msfcnn-paper");
    EQ_INT(parse(&a, "plan m.tflite --board hifive1b --strategy vanilla --save p.bin", &e), 0);
    EQ_INT(a.command, CLI_PLAN);
    EQ_STR(a.boards[0], "hifive1b");
    EQ_STR(a.strategies[0], "vanilla");
    EQ_STR(a.save, "p.bin");
    EQ_INT(parse(&a, "plan list", &e), 0);
    EQ_INT(a.command, CLI_NIGHTLY);
    EQ_INT(parse(&a, "plan run smoke --wait --junit x.xml --boards a,b", &e), 0);
    EQ_INT(a.command, CLI_NIGHTLY);
    EQ_STR(a.target, "run");
    EQ_STR(a.plan, "smoke");
    EQ_STR(a.junit, "x.xml");
    OK(a.wait && a.n_boards == 2);
    EQ_INT(parse(&a, "plan show 12", &e), 0);
    EQ_STR(a.plan, "12");
    EQ_INT(parse(&a, "explain m.tflite 0-2:rows --json", &e), 0);
    EQ_INT(a.command, CLI_EXPLAIN);
    EQ_STR(a.target, "m.tflite");
    EQ_STR(a.spec, "0-2:rows");
    EQ_INT(parse(&a, "explain 7 --measured", &e), 0);
    OK(a.measured && !a.spec);

    EQ_INT(parse(&a, "front 7", &e), 0);
    OK(a.max_ram < 0 && a.max_overhead < 0);
    EQ_INT(a.points, 0);

    EQ_INT(parse(&a, "submit -- --odd-name.tflite", &e), 0);
    EQ_STR(a.target, "--odd-name.tflite");

    EQ_INT(parse(&a, "submit --help", &e), 0);
    EQ_INT(a.command, CLI_HELP);
    EQ_INT(parse(&a, "--version", &e), 0);
    EQ_INT(a.command, CLI_VERSION);
    EQ_INT(parse(&a, "rigs", &e), 0);
    EQ_INT(a.command, CLI_RIGS);
}

static void test_environment(void)
{
    struct cli_args a;
    struct err e = {0};
    char *plain[] = {"farm", "rigs"},
         *given[] = {"farm", "rigs", "--server", "http://c", "--token", "t2"};
    EQ_INT(cli_args_parse(&a, 2, plain, NULL, NULL, &e), 0);
    EQ_STR(a.server, "http://127.0.0.1:8080");
    OK(a.token == NULL);
    EQ_INT(cli_args_parse(&a, 2, plain, "http://b", "t1", &e), 0);
    EQ_STR(a.server, "http://b");
    EQ_STR(a.token, "t1");
    EQ_INT(cli_args_parse(&a, 2, plain, "", "", &e), 0); // set but empty is not set
    EQ_STR(a.server, "http://127.0.0.1:8080");
    OK(a.token == NULL);
    EQ_INT(cli_args_parse(&a, 6, given, "http://b", "t1", &e), 0);
    EQ_STR(a.server, "http://c");
    EQ_STR(a.token, "t2");
}

static void test_mistakes(void)
{
    static const struct {
        const char *line, *named; // a word that the message must have
    } table[] = {
        {"", "command"},
        {"frobnicate", "frobnicate"},
        {"submit", "model"},
        {"watch", "campaign"},
        {"log", "job"},
        {"rigs 3", "\"3\""},
        {"front 1 2", "\"2\""},
        {"plan run", "name"},
        {"plan list x", "\"x\""},
        {"plan run a b", "\"b\""},
        {"plan run a --junit f", "--wait"},
        {"front 1 --max-ramm 3", "--max-ramm"},
        {"front 1 --max", "--max"}, // no abbreviations
        {"front 1 --max-ram", "--max-ram"},
        {"front 1 --max-ram lots", "lots"},
        {"front 1 --max-ram -5", "-5"},
        {"front 1 --max-overhead 0", "not \"0\""},
        {"front 1 --max-overhead nan", "nan"},
        {"front 1 --max-overhead 1.2x", "1.2x"},
        {"submit m --points 0", "\"0\""},
        {"submit m --points 201", "200"},
        {"submit m --points 99999999999999999999", "200"},
        {"submit m --repeats 101", "100"},
        {"submit m --repeats 3x", "3x"},
        {"submit m --boards ,", "--boards"},
        {"submit m --strategy ,", "--strategy"},
        {"submit m --strategy a,b,c,d,e,f,g,h,i", "at most 8"},
        {"submit m --json=yes", "--json"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct cli_args a;
        struct err e;
        int rc = parse(&a, table[i].line, &e);
        OKF(rc == -1 && e.code == ERR_BAD_REQUEST && strstr(e.msg, table[i].named),
            "\"%s\" is refused: %s", table[i].line, e.msg);
    }
    struct cli_args a;
    struct err e = {0};
    char many[4 * (CLI_MAX_BOARDS + 1) + 1] = "",
                                         *argv[] = {"farm", "submit", "m", "--boards", many};
    for (int i = 0; i <= CLI_MAX_BOARDS; i++)
        memcpy(many + 4 * i, "abc,", 5);
    EQ_INT(cli_args_parse(&a, 5, argv, NULL, NULL, &e), -1);
    char wide[2 * sizeof a.boards_text];
    memset(wide, 'b', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    argv[4] = wide;
    EQ_INT(cli_args_parse(&a, 5, argv, NULL, NULL, &e), -1);
}

static void test_sizes(void)
{
    EQ_INT(cli_parse_bytes("16384"), 16384);
    EQ_INT(cli_parse_bytes("16k"), 16000);
    EQ_INT(cli_parse_bytes("16Ki"), 16384);
    EQ_INT(cli_parse_bytes("16kB"), 16000);
    EQ_INT(cli_parse_bytes("16KiB"), 16384);
    EQ_INT(cli_parse_bytes("1.5k"), 1500);
    EQ_INT(cli_parse_bytes("2M"), 2000000);
    EQ_INT(cli_parse_bytes("0"), 0);
    EQ_INT(cli_parse_bytes(""), -1);
    EQ_INT(cli_parse_bytes("k"), -1);
    EQ_INT(cli_parse_bytes("-1"), -1);
    EQ_INT(cli_parse_bytes("+1"), -1);
    EQ_INT(cli_parse_bytes(" 1"), -1);
    EQ_INT(cli_parse_bytes("inf"), -1);
    EQ_INT(cli_parse_bytes("1e30"), -1);
    EQ_INT(cli_parse_bytes("16 k"), -1);
    EQ_INT(cli_parse_bytes("16kk"), -1);
}

int main(void)
{
    test_commands();
    test_environment();
    test_mistakes();
    test_sizes();
    return tap_done();
}
