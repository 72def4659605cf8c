// SPDX-License-Identifier: MIT
// The handlers behind the routes, one file a resource.
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/request.h"

#define API_BASE "/api/v1"
#define API_MAX_LIMIT 1000 // items of a page
#define API_DEFAULT_LIMIT 50

// api_models.c
request_handler api_model_add, api_model_list, api_model_get, api_model_layers, api_model_file,
    api_model_front, api_model_config, api_model_timeline;
// api_campaigns.c
request_handler api_campaign_add, api_campaign_list, api_campaign_get, api_campaign_cancel,
    api_campaign_jobs, api_campaign_results, api_campaign_front, api_campaign_events;
// api_jobs.c
request_handler api_job_get, api_job_log, api_job_program, api_result_get;
// api_agent.c
request_handler api_agent_lease, api_agent_heartbeat, api_agent_result, api_agent_failure,
    api_agent_health, api_agent_offline;
// api_boards.c
request_handler api_board_list, api_rig_list;
// api_system.c
request_handler api_healthz, api_metrics, api_openapi, api_web;

#endif
