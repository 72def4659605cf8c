// SPDX-License-Identifier: MIT
// See route.h.
#include "server/route.h"

#include <string.h>

#include "server/api.h"
#include "server/api_nightly.h"
#include "server/planner/tflite.h"

#define JSON_SMALL (16u << 10)
#define JSON_LARGE (1u << 20)
#define JSON_IMPORT (16u << 20) // a run with its points
#define PAGE "limit,cursor,"

// clang-format off
static const struct route routes[] = {
    // method   path                                 role         slow   body        query                handler
    {"GET",    "/healthz",                           ROLE_NONE,   false, 0,          "",                  api_healthz},
    {"GET",    "/metrics",                           ROLE_READ,   false, 0,          "",                  api_metrics},
    {"GET",    API_BASE "/openapi.json",             ROLE_NONE,   false, 0,          "",                  api_openapi},
    {"POST",   API_BASE "/models",                   ROLE_SUBMIT, true,  TFLITE_MAX_FILE_BYTES, "name,",  api_model_add},
    {"GET",    API_BASE "/models",                   ROLE_READ,   false, 0,          PAGE,                api_model_list},
    {"GET",    API_BASE "/models/{id}",              ROLE_READ,   false, 0,          "",                  api_model_get},
    {"GET",    API_BASE "/models/{id}/layers",       ROLE_READ,   false, 0,          "",                  api_model_layers},
    {"GET",    API_BASE "/models/{id}/file",         ROLE_READ,   false, 0,          "",                  api_model_file},
    {"GET",    API_BASE "/models/{id}/front",        ROLE_READ,   true,  0, "strategy,axis,board,max_ram,max_overhead,", api_model_front},
    {"GET",    API_BASE "/models/{id}/config",       ROLE_READ,   true,  0,          "spec,board,",       api_model_config},
    {"GET",    API_BASE "/models/{id}/timeline",     ROLE_READ,   true,  0,          "spec,",             api_model_timeline},
    {"POST",   API_BASE "/campaigns",                ROLE_SUBMIT, true,  JSON_LARGE, "",                  api_campaign_add},
    {"GET",    API_BASE "/campaigns",                ROLE_READ,   false, 0,          PAGE "model,",       api_campaign_list},
    {"GET",    API_BASE "/campaigns/{id}",           ROLE_READ,   false, 0,          "",                  api_campaign_get},
    {"DELETE", API_BASE "/campaigns/{id}",           ROLE_SUBMIT, false, 0,          "",                  api_campaign_cancel},
    {"GET",    API_BASE "/campaigns/{id}/jobs",      ROLE_READ,   false, 0,          PAGE,                api_campaign_jobs},
    {"GET",    API_BASE "/campaigns/{id}/results",   ROLE_READ,   false, 0,          PAGE,                api_campaign_results},
    {"GET",    API_BASE "/campaigns/{id}/front",     ROLE_READ,   true,  0, "board,max_ram,max_overhead,", api_campaign_front},
    {"GET",    API_BASE "/campaigns/{id}/events",    ROLE_READ,   false, 0,          "since,",            api_campaign_events},
    {"GET",    API_BASE "/jobs/{id}",                ROLE_READ,   false, 0,          "",                  api_job_get},
    {"GET",    API_BASE "/jobs/{id}/log",            ROLE_READ,   false, 0,          "",                  api_job_log},
    {"GET",    API_BASE "/jobs/{id}/program",        ROLE_READ,   false, 0,          "",                  api_job_program},
    {"GET",    API_BASE "/results/{id}",             ROLE_READ,   false, 0,          "",                  api_result_get},
    {"GET",    API_BASE "/boards",                   ROLE_READ,   false, 0,          "",                  api_board_list},
    {"GET",    API_BASE "/rigs",                     ROLE_READ,   false, 0,          "",                  api_rig_list},
    {"GET",    API_BASE "/plan-schema.json",         ROLE_READ,   false, 0,          "",                  api_plan_schema},
    {"GET",    API_BASE "/plans",                    ROLE_READ,   false, 0,          "",                  api_plan_list},
    {"GET",    API_BASE "/plans/{name}",             ROLE_READ,   false, 0,          "",                  api_plan_get},
    {"POST",   API_BASE "/plans/{name}/runs",        ROLE_SUBMIT, false, JSON_SMALL, "",                  api_plan_run},
    {"GET",    API_BASE "/plans/{name}/runs",        ROLE_READ,   false, 0,          PAGE,                api_plan_runs},
    {"POST",   API_BASE "/plans/{name}/import",      ROLE_ADMIN,  true,  JSON_IMPORT, "",                 api_plan_import},
    {"GET",    API_BASE "/plans/{name}/runs.csv",    ROLE_READ,   true,  0,          "",                  api_plan_runs_csv},
    {"GET",    API_BASE "/plans/{name}/points.csv",  ROLE_READ,   true,  0,          "",                  api_plan_points_csv},
    {"GET",    API_BASE "/plans/{name}/findings.csv", ROLE_READ,  true,  0,          "",                  api_plan_findings_csv},
    {"GET",    API_BASE "/plans/{name}/badge.svg",   ROLE_READ,   false, 0,          "",                  api_plan_badge},
    {"GET",    API_BASE "/runs",                     ROLE_READ,   false, 0,          PAGE,                api_run_list},
    {"GET",    API_BASE "/runs/{id}",                ROLE_READ,   false, 0,          "",                  api_run_get},
    {"DELETE", API_BASE "/runs/{id}",                ROLE_SUBMIT, false, 0,          "",                  api_run_cancel},
    {"GET",    API_BASE "/runs/{id}/points",         ROLE_READ,   false, 0,          PAGE,                api_run_points},
    {"GET",    API_BASE "/runs/{id}/points.csv",     ROLE_READ,   true,  0,          "",                  api_run_points_csv},
    {"GET",    API_BASE "/runs/{id}/findings",       ROLE_READ,   false, 0,          "",                  api_run_findings},
    {"GET",    API_BASE "/runs/{id}/findings.csv",   ROLE_READ,   false, 0,          "",                  api_run_findings_csv},
    {"GET",    API_BASE "/runs/{id}/junit.xml",      ROLE_READ,   true,  0,          "",                  api_run_junit},
    {"GET",    API_BASE "/runs/{id}/summary.md",     ROLE_READ,   true,  0,          "",                  api_run_summary},
    {"GET",    API_BASE "/runs/{id}/published",      ROLE_READ,   true,  0,          "",                  api_run_published},
    {"GET",    API_BASE "/runs/{id}/deliveries",     ROLE_READ,   false, 0,          "",                  api_run_deliveries},
    {"GET",    API_BASE "/runs/{id}/compare/{other}", ROLE_READ,  true,  0,          "",                  api_run_compare},
    {"GET",    API_BASE "/series",                   ROLE_READ,   false, 0,          PAGE "plan,model,board,", api_series_list},
    {"GET",    API_BASE "/series/{id}",              ROLE_READ,   true,  0,          "",                  api_series_get},
    {"GET",    API_BASE "/series/{id}/points.csv",   ROLE_READ,   true,  0,          "",                  api_series_csv},
    {"POST",   API_BASE "/series/{id}/baseline",     ROLE_SUBMIT, false, JSON_SMALL, "",                  api_series_baseline},
    {"GET",    API_BASE "/findings",                 ROLE_READ,   false, 0,          PAGE "plan,state,series,", api_finding_list},
    {"GET",    API_BASE "/findings/{id}",            ROLE_READ,   false, 0,          "",                  api_finding_get},
    {"POST",   API_BASE "/findings/{id}",            ROLE_SUBMIT, false, JSON_SMALL, "",                  api_finding_triage},
    {"POST",   API_BASE "/agent/lease",              ROLE_AGENT,  false, 64u << 10,  "",                  api_agent_lease},
    {"POST",   API_BASE "/agent/jobs/{id}/heartbeat", ROLE_AGENT, false, 128u << 10, "",                  api_agent_heartbeat},
    {"POST",   API_BASE "/agent/jobs/{id}/result",   ROLE_AGENT,  false, 256u << 10, "",                  api_agent_result},
    {"POST",   API_BASE "/agent/jobs/{id}/failure",  ROLE_AGENT,  false, JSON_SMALL, "",                  api_agent_failure},
    {"POST",   API_BASE "/agent/rigs/{name}/health", ROLE_AGENT,  false, JSON_SMALL, "",                  api_agent_health},
    {"POST",   API_BASE "/agent/rigs/{name}/offline", ROLE_AGENT, false, JSON_SMALL, "",                  api_agent_offline},
};
static const struct route web_route = {"GET", "/", ROLE_NONE, false, 0, "*", api_web};
// clang-format on

static bool route_match(const char *pattern, const char *path, char params[REQUEST_MAX_PARAMS][80])
{
    int n = 0;
    while (*pattern) {
        if (*pattern == '{') {
            size_t len = strcspn(path, "/");
            if (len < 1 || len >= sizeof params[0] || n == REQUEST_MAX_PARAMS)
                return false;
            memcpy(params[n], path, len);
            params[n++][len] = '\0';
            path += len;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const struct route *route_find(const char *method, const char *path,
                               char params[REQUEST_MAX_PARAMS][80], struct problem *p)
{
    // The sets of methods that a path of the table can have, as the Allow header wants them.
    static const struct {
        unsigned set;
        const char *text;
    } allows[] = {{1, "GET, HEAD"},
                  {2, "POST"},
                  {3, "GET, HEAD, POST"},
                  {4, "DELETE"},
                  {5, "GET, HEAD, DELETE"}};
    unsigned set = 0;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!route_match(routes[i].path, path, params))
            continue;
        if (strcmp(routes[i].method, method) == 0)
            return &routes[i];
        set |= strcmp(routes[i].method, "GET") == 0    ? 1
               : strcmp(routes[i].method, "POST") == 0 ? 2
                                                       : 4;
    }
    if (set == 0 && strncmp(path, "/api/", 5) != 0 && strcmp(path, "/api") != 0) {
        if (strcmp(method, "GET") == 0)
            return &web_route;
        set = 1;
    }
    for (size_t i = 0; set && i < sizeof allows / sizeof *allows; i++) {
        if (allows[i].set == set)
            p->allow = allows[i].text;
    }
    if (set)
        err_set(&p->err, ERR_METHOD, "%.16s is not possible on %.200s; possible: %s", method, path,
                p->allow);
    else
        err_set(&p->err, ERR_NOT_FOUND,
                "there is nothing at %.200s; /api/v1/openapi.json describes what there is", path);
    return NULL;
}

bool route_takes_query(const struct route *r, const char *name)
{
    if (r->query[0] == '*')
        return true;
    size_t n = strlen(name);
    for (const char *at = r->query; *at; at = strchr(at, ',') + 1) {
        if (strncmp(at, name, n) == 0 && at[n] == ',')
            return true;
    }
    return false;
}
