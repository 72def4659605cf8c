// SPDX-License-Identifier: MIT
// The command line of `farm`, with its help text.
#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"

#define DEFAULT_SERVER "http://127.0.0.1:8080"
#define DEFAULT_PATIENCE_S 60

const char cli_usage[] =
    "farm - measure how little RAM a model needs on a microcontroller, and what that costs\n"
    "\n"
    "A first session:\n"
    "  farm boards                            what can be measured\n"
    "  farm submit model.tflite --watch       upload, measure 12 points of the front, follow it\n"
    "  farm front 1                           the table: RAM against latency, of campaign 1\n"
    "  farm front 1 --max-ram 16KiB           ... and the fewest MACs within 16,384 bytes\n"
    "  farm front 1 --max-overhead 1.2        ... and the least RAM at no more than 1.2 x the "
    "MACs\n"
    "\n"
    "Commands:\n"
    "  submit MODEL [--boards a,b] [--strategy a,b] [--points N] [--repeats N] [--name TEXT] "
    "[--watch] [--json]\n"
    "                 MODEL is a .tflite file, or a model that the server has (name or id).\n"
    "                 Boards: those with a rig that answers, unless named. Strategies, N points "
    "each:\n"
    "                 vanilla, mcunetv2, streamnet, msfcnn, msfcnn-paper, pareto (default)\n"
    "                 --choose next: of the front those that could make it faster, by what is\n"
    "                 predicted and measured so far, instead of points spread over it\n"
    "  watch CAMPAIGN [--json]          progress until it is done; failures with type and detail\n"
    "  front CAMPAIGN|MODEL [--max-ram BYTES|16kB|16KiB] [--max-overhead F] [--all] [--json]\n"
    "                 of a campaign: the points that were asked for (--all: the whole front);\n"
    "                 of a model (name, id or its beginning): the whole front, predicted;\n"
    "                 --boards ID adds that board's predicted latency, --strategy S asks for "
    "its front;\n"
    "                 --boards ID --axis latency: the front over RAM and that board's predicted "
    "ms\n"
    "  plan MODEL.tflite [--strategy NAME] [--board ID] [--spec TEXT] [--max-ram ..] "
    "[--max-overhead F]\n"
    "       [--save FILE] [--json]      here, without a server: the front, what fits the board, "
    "and\n"
    "                 as FILE the program of the answer (without a question: the least RAM)\n"
    "  explain MODEL.tflite [SPEC]      without a server: what is in RAM when, and which layer "
    "sets\n"
    "                 the peak; of SPEC, or of the answer to --max-ram, --max-overhead\n"
    "  explain MODEL SPEC | JOB [--measured]   the same of a model or job of the server; "
    "--measured:\n"
    "                 cycles and instructions of each layer on the board\n"
    "  plan list | show PLAN|RUN [--json]      the server's nightly plans; a run in Markdown\n"
    "  plan run PLAN [--wait] [--junit FILE] [--boards a,b] [--json]   run one now, and wait for "
    "its end\n"
    "  results CAMPAIGN [--json]        every measurement with its minimum, median and maximum\n"
    "  jobs CAMPAIGN [--json]           every job with state, rig, attempts and error\n"
    "  log JOB                          what agent, OpenOCD and board said during a job\n"
    "  models, campaigns, rigs, boards  [--json]\n"
    "  version, help\n"
    "\n"
    "Options of every command:\n"
    "  --server URL   else $FARM_SERVER, else " DEFAULT_SERVER "\n"
    "  --token TEXT   else $FARM_TOKEN (better: others can see a command line)\n"
    "  --json         the server's JSON instead of a table, for jq and scripts\n"
    "  --patience N   watch, submit --watch and plan run --wait: seconds that the server may be "
    "away (60)\n"
    "\n"
    "RAM is the arena: every byte that activations need, without the model input, with the "
    "output.\n"
    "1 kB = 1000 bytes, 1 KiB = 1024. F = multiply-accumulates / those of a plain run. A row says "
    "`emulated` "
    "when\n"
    "a virtual board measured it; its milliseconds come from a cost model (see docs/timing.md).\n"
    "\n"
    "Exit status: 0 done, 1 something measured failed or a plan's run is a regression, 2 wrong "
    "command\n"
    "line, 3 no server there (any more), 4 the server refused, 5 a plan's run came to no verdict "
    "about the "
    "code.\n";

struct option {
    const char *name;
    bool has_value;
};

static const struct option options[] = {
    {"--server", true},       {"--token", true},    {"--boards", true},  {"--name", true},
    {"--strategy", true},     {"--points", true},   {"--repeats", true}, {"--max-ram", true},
    {"--max-overhead", true}, {"--watch", false},   {"--json", false},   {"--all", false},
    {"--help", false},        {"--version", false}, {"-h", false},       {"--board", true},
    {"--spec", true},         {"--save", true},     {"--axis", true},    {"--measured", false},
    {"--wait", false},        {"--junit", true},    {"--choose", true},  {"--patience", true},
};

static const struct {
    const char *name;
    enum cli_command command;
    const char *target; // what the one positional argument is; NULL: none is taken
} commands[] = {
    {"help", CLI_HELP, NULL},
    {"version", CLI_VERSION, NULL},
    {"submit", CLI_SUBMIT, "a model: farm submit model.tflite"},
    {"watch", CLI_WATCH, "a campaign's number: farm watch 1"},
    {"front", CLI_FRONT, "a campaign's number or a model: farm front 1"},
    {"results", CLI_RESULTS, "a campaign's number: farm results 1"},
    {"models", CLI_MODELS, NULL},
    {"campaigns", CLI_CAMPAIGNS, NULL},
    {"jobs", CLI_JOBS, "a campaign's number: farm jobs 1"},
    {"rigs", CLI_RIGS, NULL},
    {"boards", CLI_BOARDS, NULL},
    {"log", CLI_LOG, "a job's number: farm log 1"},
    {"plan", CLI_PLAN, "a model file: farm plan model.tflite"},
    {"explain", CLI_EXPLAIN, "a model file or a job's number: farm explain model.tflite"},
};

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

int64_t cli_parse_bytes(const char *text)
{
    char *end = NULL;
    if (!(text[0] >= '0' && text[0] <= '9')) // strtod would take "inf", "nan", signs and blanks
        return -1;
    double value = strtod(text, &end);
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1},     {"b", 1},     {"k", 1e3},    {"kb", 1e3},     {"m", 1e6},
                 {"mb", 1e6}, {"ki", 1024}, {"kib", 1024}, {"mi", 1048576}, {"mib", 1048576}};
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strcasecmp(end, units[i].suffix) == 0) {
            double bytes = value * units[i].factor;
            return bytes >= 0 && bytes <= 1099511627776.0 ? (int64_t)bytes : -1;
        }
    }
    return -1;
}

static int parse_count(const char *name, const char *text, long max, long *out, struct err *e)
{
    char *end = NULL;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < 1 || v > max)
        return err_set(e, ERR_BAD_REQUEST, "%s takes a number from 1 to %ld, not \"%s\"", name, max,
                       text);
    *out = v;
    return 0;
}

// "a,b" into at most `max` words that point into `copy`.
static int parse_words(const char *option, const char *text, char *copy, size_t size,
                       const char **words, int max, int *n_words, struct err *e)
{
    size_t n = strlen(text);
    *n_words = 0;
    if (n == 0 || n >= size)
        return err_set(e, ERR_BAD_REQUEST, "%s takes names with commas between them", option);
    memcpy(copy, text, n + 1);
    char *save = NULL;
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (*n_words == max)
            return err_set(e, ERR_BAD_REQUEST, "%s takes at most %d names", option, max);
        words[(*n_words)++] = word;
    }
    if (*n_words == 0)
        return err_set(e, ERR_BAD_REQUEST, "%s names nothing; see: farm --help", option);
    return 0;
}

static int take_option(struct cli_args *a, const char *name, const char *value, struct err *e)
{
    if (strcmp(name, "--server") == 0)
        a->server = value;
    else if (strcmp(name, "--token") == 0)
        a->token = value;
    else if (strcmp(name, "--name") == 0)
        a->name = value;
    else if (strcmp(name, "--spec") == 0)
        a->spec = value;
    else if (strcmp(name, "--save") == 0)
        a->save = value;
    else if (strcmp(name, "--junit") == 0)
        a->junit = value;
    else if (strcmp(name, "--wait") == 0)
        a->wait = true;
    else if (strcmp(name, "--choose") == 0) {
        a->next = strcmp(value, "next") == 0;
        if (!a->next && strcmp(value, "spread") != 0)
            return err_set(e, ERR_BAD_REQUEST, "--choose takes spread or next, not \"%s\"", value);
    } else if (strcmp(name, "--axis") == 0) {
        a->by_latency = strcmp(value, "latency") == 0;
        if (!a->by_latency && strcmp(value, "macs") != 0)
            return err_set(e, ERR_BAD_REQUEST, "--axis takes macs or latency, not \"%s\"", value);
    } else if (strcmp(name, "--measured") == 0)
        a->measured = true;
    else if (strcmp(name, "--boards") == 0 || strcmp(name, "--board") == 0)
        return parse_words(name, value, a->boards_text, sizeof a->boards_text, a->boards,
                           CLI_MAX_BOARDS, &a->n_boards, e);
    else if (strcmp(name, "--strategy") == 0)
        return parse_words(name, value, a->strategies_text, sizeof a->strategies_text,
                           a->strategies, CLI_MAX_STRATEGIES, &a->n_strategies, e);
    else if (strcmp(name, "--points") == 0)
        return parse_count(name, value, 200, &a->points, e);
    else if (strcmp(name, "--repeats") == 0)
        return parse_count(name, value, 100, &a->repeats, e);
    else if (strcmp(name, "--patience") == 0)
        return parse_count(name, value, 86400, &a->patience, e);
    else if (strcmp(name, "--max-ram") == 0) {
        a->max_ram = cli_parse_bytes(value);
        if (a->max_ram < 0)
            return err_set(e, ERR_BAD_REQUEST,
                           "--max-ram takes bytes (16384), kB (16k) or KiB (16Ki), not \"%s\"",
                           value);
    } else if (strcmp(name, "--max-overhead") == 0) {
        char *end = NULL;
        a->max_overhead = strtod(value, &end);
        if (end == value || *end || !(a->max_overhead > 0 && a->max_overhead <= 1e6))
            return err_set(e, ERR_BAD_REQUEST,
                           "--max-overhead takes a factor above 0 (1.2), not \"%s\"", value);
    } else if (strcmp(name, "--watch") == 0)
        a->watch = true;
    else if (strcmp(name, "--json") == 0)
        a->json = true;
    else if (strcmp(name, "--all") == 0)
        a->all = true;
    else if (strcmp(name, "--version") == 0)
        a->command = CLI_VERSION;
    else // --help, -h
        a->command = CLI_HELP;
    return 0;
}

static const struct option *find_option(const char *word, size_t n)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        if (strlen(options[i].name) == n && memcmp(options[i].name, word, n) == 0)
            return &options[i];
    }
    return NULL;
}

// `farm plan list|show|run` are about the plans of the server, other words after `plan` are model files.
static bool is_nightly(const char *word, const char *target)
{
    return strcmp(word, "plan") == 0 && target &&
           (strcmp(target, "list") == 0 || strcmp(target, "show") == 0 ||
            strcmp(target, "run") == 0);
}

static int check_nightly(struct cli_args *a, struct err *e)
{
    bool listing = strcmp(a->target, "list") == 0, running = strcmp(a->target, "run") == 0;
    a->command = CLI_NIGHTLY;
    if (listing && a->plan)
        return err_set(e, ERR_BAD_REQUEST, "farm plan list takes no \"%s\"", a->plan);
    if (!listing && !a->plan)
        return err_set(e, ERR_BAD_REQUEST, "farm plan %s needs a plan's name; see: farm plan list",
                       a->target);
    if (a->junit && !(running && a->wait))
        return err_set(e, ERR_BAD_REQUEST, "--junit goes with farm plan run NAME --wait");
    return 0;
}

int cli_args_parse(struct cli_args *a, int argc, char **argv, const char *env_server,
                   const char *env_token, struct err *e)
{
    *a = (struct cli_args){
        .command = CLI_HELP,
        .server = env_server && *env_server ? env_server : DEFAULT_SERVER,
        .token = env_token && *env_token ? env_token : NULL,
        .patience = DEFAULT_PATIENCE_S,
        .max_overhead = -1,
        .max_ram = -1,
    };
    const char *word = NULL, *target = NULL;
    bool only_words = false, asked_for_help = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (only_words || arg[0] != '-' || arg[1] == '\0') {
            if (!word)
                word = arg;
            else if (!target)
                target = arg;
            else if (strcmp(word, "explain") == 0 && !a->spec)
                a->spec = arg;
            else if (is_nightly(word, target) && !a->plan)
                a->plan = arg;
            else
                return err_set(e, ERR_BAD_REQUEST, "\"%s\" is one word too many; see: farm --help",
                               arg);
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        size_t n = strcspn(arg, "=");
        const struct option *o = find_option(arg, n);
        if (!o)
            return err_set(e, ERR_BAD_REQUEST, "there is no option \"%s\"; see: farm --help", arg);
        bool joined = arg[n] == '='; // --points=20
        const char *value = joined ? arg + n + 1 : "";
        if (!o->has_value && joined)
            return err_set(e, ERR_BAD_REQUEST, "%s takes no value", o->name);
        if (o->has_value && !joined) {
            if (i + 1 == argc)
                return err_set(e, ERR_BAD_REQUEST, "%s needs a value; see: farm --help", o->name);
            value = argv[++i];
        }
        if (take_option(a, o->name, value, e))
            return -1;
        if (strcmp(o->name, "--help") == 0 || strcmp(o->name, "-h") == 0 ||
            strcmp(o->name, "--version") == 0)
            asked_for_help = true;
    }
    if (asked_for_help)
        return 0;
    if (!word)
        return err_set(e, ERR_BAD_REQUEST, "which command? see: farm --help");
    for (size_t i = 0; i < COUNT(commands); i++) {
        if (strcmp(commands[i].name, word) != 0)
            continue;
        a->command = commands[i].command;
        a->target = target;
        if (commands[i].target && !target)
            return err_set(e, ERR_BAD_REQUEST, "farm %s needs %s", word, commands[i].target);
        if (!commands[i].target && target)
            return err_set(e, ERR_BAD_REQUEST, "farm %s takes no \"%s\"", word, target);
        return is_nightly(word, target) ? check_nightly(a, e) : 0;
    }
    return err_set(e, ERR_BAD_REQUEST, "there is no command \"%s\"; see: farm --help", word);
}
