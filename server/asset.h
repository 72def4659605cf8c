// SPDX-License-Identifier: MIT
// Files of the source tree that are compiled into the server. The texts are NUL-terminated and live for ever.
#ifndef SERVER_ASSET_H
#define SERVER_ASSET_H

const char *asset_schema_sql(void);
const char *asset_openapi_json(void);
const char *asset_plan_schema_json(void);

#endif
