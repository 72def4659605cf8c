// SPDX-License-Identifier: MIT
// Inside the store: the connection and its statements, for store.c and store_runs.c alone. They are the only files that see
// SQLite.
#ifndef SERVER_STORE_IMPL_H
#define SERVER_STORE_IMPL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "server/store.h"

enum sql_id {
#define X(name, text) name,
#include "server/sql.def"
    SQL_COUNT
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *stmt[SQL_COUNT];
    pthread_mutex_t lock; // recursive: a callback may read more
};

int store_fail(struct store *s, const char *what, struct err *e);

// Takes the store, binds values to ?1.. by a format, and steps to the first row: 1 row, 0 no row, -1 error. The caller calls
// store_finish() in every case. The format: t text (NULL or "" binds NULL), s text ("" stays ""), i int64_t, I int64_t
// (negative binds NULL), d double, D double (negative binds NULL), n double (NaN binds NULL), b blob (pointer, size_t).
int store_query(struct store *s, enum sql_id id, struct err *e, const char *fmt, ...);
int store_next(struct store *s, enum sql_id id, struct err *e); // the next row: 1, 0 or -1 as above
void store_finish(struct store *s, enum sql_id id);
// Reads the first column of the rows into ids[], at most max, *n of them; row is what store_query() gave. Finishes the statement.
int store_ids(struct store *s, enum sql_id id, int row, int64_t *ids, int max, int *n,
              struct err *e);
// Runs a statement that returns nothing.
int store_run(struct store *s, enum sql_id id, struct err *e, const char *fmt, ...);

// Runs a statement whose one row is one integer; *out stays as it was when there is no row.
#define store_integer(s, id, out, e, ...)                                                          \
    store_integer_end(s, id, store_query(s, id, e, __VA_ARGS__), out)
int store_integer_end(struct store *s, enum sql_id id, int row, int64_t *out);

// Like store_integer() for INSERT ... RETURNING: steps to the end, so that the row is written.
#define store_insert(s, id, out, e, ...)                                                           \
    store_insert_end(s, id, store_query(s, id, e, __VA_ARGS__), out, e)
int store_insert_end(struct store *s, enum sql_id id, int row, int64_t *out, struct err *e);

// Columns of the present row.
void col_text(sqlite3_stmt *q, int i, char *out, size_t size);
int64_t col_i64(sqlite3_stmt *q, int i);
int col_int(sqlite3_stmt *q, int i);
uint32_t col_u32(sqlite3_stmt *q, int i);
bool col_is_null(sqlite3_stmt *q, int i);

#endif
