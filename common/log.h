// SPDX-License-Identifier: MIT
// Log lines on stderr: "2026-01-31T12:00:00.123Z level module: text". Level from FARM_LOG (debug,
// info, warn, error).
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_line(enum log_level level, const char *module, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(module, ...) log_line(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define log_info(module, ...) log_line(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define log_warn(module, ...) log_line(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_LEVEL_ERROR, module, __VA_ARGS__)

#endif
