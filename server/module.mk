LIB_SRC += $(addprefix server/, asset.c hash.c clock.c problem.c request.c store.c board.c json_field.c json_in.c json_out.c token.c options.c \
	queue.c no_fit.c planning.c choose.c events.c web.c rate.c http.c route.c \
	api_models.c api_front.c api_campaigns.c api_jobs.c api_agent.c api_boards.c api_system.c \
	plan.c plan_in.c page.c store_runs.c run.c run_in.c run_plan.c run_out.c run_report.c judge.c scheduler.c webhook.c \
	api_plans.c api_runs.c api_series.c)
PROGS += farm-server
farm-server_MAIN := server/main.c
LIBS += -lmicrohttpd -lsqlite3 -lcjson -lcrypto -lpthread

# schema.sql, openapi.json and plan.schema.json are compiled in, so that the binary and its documents cannot part ways.
$(OUT)/server/asset.o: schema.sql server/openapi.json server/plan.schema.json
