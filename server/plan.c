// SPDX-License-Identifier: MIT
// The folder of the plans, see plan.h.
#include "server/plan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// "nightly" of "nightly.json"; false: not the file of a plan.
static bool plan_file_name(const char *file, char name[64])
{
    size_t n = strlen(file), suffix = strlen(".json");
    if (n <= suffix || n - suffix >= 64 || strcmp(file + n - suffix, ".json") != 0)
        return false;
    snprintf(name, 64, "%.*s", (int)(n - suffix), file);
    return json_in_id_valid(name);
}

int plan_path(const char *dir, const char *relative, char *out, size_t size, struct err *e)
{
    int n = relative[0] == '/' ? snprintf(out, size, "%s", relative)
                               : snprintf(out, size, "%s/%s", dir, relative);
    return n < (int)size ? 0 : err_set(e, ERR_IO, "%.100s...: the path is too long", relative);
}

int plan_read(const char *path, struct buf *out)
{
    struct stat st;
    if (stat(path, &st))
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    return buf_read_file(out, path);
}

static int plan_entry_compare(const void *a, const void *b)
{
    return strcmp((*(struct plan_entry *const *)a)->name, (*(struct plan_entry *const *)b)->name);
}

static void plan_entry_free(struct plan_entry *entry)
{
    if (!entry)
        return;
    plan_free(&entry->plan);
    if (entry->zone)
        cron_zone_close(entry->zone);
    free(entry->text);
    free(entry);
}

static int plan_load(const char *dir, const char *file, const char *name,
                     const struct boards *boards, struct plan_entry **out, struct err *e)
{
    char path[4096];
    struct buf text;
    struct plan_entry *entry = calloc(1, sizeof *entry);
    *out = entry;
    if (!entry)
        return err_set(e, ERR_NO_MEMORY, "no memory for plan %s", name);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    buf_init(&text, PLAN_MAX_BYTES);
    if (plan_path(dir, file, path, sizeof path, &entry->wrong.err) == 0) {
        if (plan_read(path, &text))
            err_set(&entry->wrong.err, ERR_IO, "%s.json: %s", name, strerror(errno));
        else
            plan_parse(buf_str(&text), text.len, boards, &entry->plan, &entry->wrong);
    }
    if (entry->plan.cron[0] && entry->wrong.err.code == ERR_NONE &&
        (cron_parse(&entry->cron, entry->plan.cron, &entry->wrong.err) ||
         !(entry->zone = cron_zone_open(entry->plan.timezone, &entry->wrong.err))))
        snprintf(entry->wrong.field, sizeof entry->wrong.field, "schedule");
    snprintf(entry->plan.name, sizeof entry->plan.name, "%s", name);
    entry->bytes = text.len;
    entry->text = buf_take(&text, NULL);
    return 0;
}

int plans_load(const char *dir, const struct boards *boards, struct plans *out, struct err *e)
{
    int bad = 0;
    char name[64];
    *out = (struct plans){.stamp = plans_stamp(dir)};
    DIR *d = opendir(dir);
    if (!d)
        return err_set(e, ERR_IO, "--plans %s: %s", dir, strerror(errno));
    for (struct dirent *f; !bad && (f = readdir(d));) {
        if (!plan_file_name(f->d_name, name))
            continue;
        if (out->n == PLAN_MAX_PLANS)
            bad = err_set(e, ERR_IO, "--plans %s: more than %d plans", dir, PLAN_MAX_PLANS);
        else if (!(bad = plan_load(dir, f->d_name, name, boards, &out->at[out->n], e)))
            out->n++;
    }
    closedir(d);
    if (bad)
        plans_free(out);
    else if (out->n)
        qsort(out->at, out->n, sizeof out->at[0], plan_entry_compare);
    return bad;
}

void plans_free(struct plans *p)
{
    for (size_t i = 0; i < p->n; i++)
        plan_entry_free(p->at[i]);
    p->n = 0;
}

uint64_t plans_stamp(const char *dir)
{
    uint64_t sum = 0;
    char name[64];
    DIR *d = opendir(dir);
    if (!d)
        return 0;
    for (struct dirent *f; (f = readdir(d));) {
        char path[4096];
        struct stat st;
        if (!plan_file_name(f->d_name, name) ||
            plan_path(dir, f->d_name, path, sizeof path, NULL) || stat(path, &st))
            continue;
        uint64_t h = UINT64_C(1469598103934665603); // FNV-1a over what changes with the file
        const uint64_t facts[] = {(uint64_t)st.st_ino, (uint64_t)st.st_size,
                                  (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
        for (const char *c = name; *c; c++)
            h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
        for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
            h = (h ^ facts[i]) * UINT64_C(1099511628211);
        sum += h; // in whatever order the folder lists them
    }
    closedir(d);
    return sum;
}

const struct plan_entry *plans_find(const struct plans *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->at[i]->name, name) == 0)
            return p->at[i];
    }
    return NULL;
}
