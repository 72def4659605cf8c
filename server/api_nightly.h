// SPDX-License-Identifier: MIT
// The handlers of the nightly resources, beside api.h.
#ifndef SERVER_API_NIGHTLY_H
#define SERVER_API_NIGHTLY_H

#include "server/request.h"

// api_plans.c
request_handler api_plan_schema, api_plan_list, api_plan_get, api_plan_run, api_plan_import,
    api_plan_runs, api_plan_runs_csv, api_plan_points_csv, api_plan_findings_csv, api_plan_badge;
// api_runs.c
request_handler api_run_list, api_run_get, api_run_cancel, api_run_points, api_run_points_csv,
    api_run_findings, api_run_findings_csv, api_run_junit, api_run_summary, api_run_published,
    api_run_deliveries, api_run_compare;
// api_series.c
request_handler api_series_list, api_series_get, api_series_csv, api_series_baseline,
    api_finding_list, api_finding_get, api_finding_triage;

#endif
