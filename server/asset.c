// SPDX-License-Identifier: MIT
// See asset.h. Paths are relative to the top folder, where make runs the compiler.
#include "server/asset.h"

#define ASSET(symbol, path)                                                                        \
    extern const char(symbol)[];                                                                   \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n.byte 0\n.popsection\n")

ASSET(asset_schema_bytes, "schema.sql");
ASSET(asset_openapi_bytes, "server/openapi.json");
ASSET(asset_plan_schema_bytes, "server/plan.schema.json");

const char *asset_schema_sql(void)
{
    return asset_schema_bytes;
}

const char *asset_openapi_json(void)
{
    return asset_openapi_bytes;
}

const char *asset_plan_schema_json(void)
{
    return asset_plan_schema_bytes;
}
