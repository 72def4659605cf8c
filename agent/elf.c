// SPDX-License-Identifier: MIT
// See elf.h. Looks at note sections first: a linker script may keep the note out of the program
// headers.
#include "agent/elf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"

enum {
    ELF_MAX_BYTES = 64 << 20,
    ELF_HEADER_BYTES = 52,
    NT_GNU_BUILD_ID = 3,
    BUILD_ID_BYTES = 20,
};

// The two tables that may lead to a note, in the order in which they are searched. Offsets in bytes.
struct elf_table {
    int at_start, at_row_bytes, at_rows; // in the ELF header
    uint32_t row_bytes;                  // least size of a row
    int at_type, at_offset, at_bytes;    // in a row
    uint32_t type_note;
};
static const struct elf_table elf_tables[] = {
    {32, 46, 48, 40, 4, 16, 20, 7}, // sections, SHT_NOTE
    {28, 42, 44, 32, 0, 4, 16, 4},  // program headers, PT_NOTE
};

struct elf_file {
    const uint8_t *data;
    size_t len;
};

static uint32_t elf_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t elf_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

// Walks the notes of [offset, offset + bytes): u32 name bytes, desc bytes, type; name and desc padded to 4.
static const uint8_t *elf_find_note(const struct elf_file *f, uint64_t offset, uint64_t bytes)
{
    if (offset > f->len || bytes > f->len - offset)
        return NULL;
    uint64_t end = offset + bytes;
    while (end - offset >= 12) {
        const uint8_t *n = f->data + offset;
        uint64_t name_bytes = elf_u32(n), desc_bytes = elf_u32(n + 4);
        uint64_t name_room = (name_bytes + 3) & ~3ULL, desc_room = (desc_bytes + 3) & ~3ULL;
        offset += 12;
        if (name_room > end - offset || desc_room > end - offset - name_room)
            return NULL;
        if (elf_u32(n + 8) == NT_GNU_BUILD_ID && name_bytes == 4 && memcmp(n + 12, "GNU", 4) == 0 &&
            desc_bytes == BUILD_ID_BYTES)
            return n + 12 + name_room;
        offset += name_room + desc_room;
    }
    return NULL;
}

static const uint8_t *elf_search(const struct elf_file *f, const struct elf_table *t)
{
    const uint8_t *note = NULL;
    uint64_t start = elf_u32(f->data + t->at_start);
    uint32_t row = elf_u16(f->data + t->at_row_bytes), rows = elf_u16(f->data + t->at_rows);
    for (uint32_t i = 0; row >= t->row_bytes && i < rows && !note; i++) {
        uint64_t at = start + (uint64_t)i * row;
        if (at > f->len || f->len - at < row)
            break;
        const uint8_t *p = f->data + at;
        if (elf_u32(p + t->at_type) == t->type_note)
            note = elf_find_note(f, elf_u32(p + t->at_offset), elf_u32(p + t->at_bytes));
    }
    return note;
}

int elf_find_build_id(const char *path, const uint8_t *file, size_t n, char id[ELF_BUILD_ID_CHARS],
                      struct err *e)
{
    const struct elf_file f = {.data = file, .len = n};
    const uint8_t *note = NULL;
    id[0] = '\0';
    // 1, 1: 32 bits, little-endian
    if (n < ELF_HEADER_BYTES || memcmp(file, "\177ELF\1\1", 6) != 0)
        return err_set(e, ERR_BAD_FIELD, "%s is not a 32-bit little-endian ELF file", path);
    for (size_t i = 0; i < sizeof elf_tables / sizeof *elf_tables && !note; i++)
        note = elf_search(&f, &elf_tables[i]);
    if (!note)
        return err_set(e, ERR_NOT_FOUND,
                       "%s has no GNU build-id of 20 bytes (link with --build-id=sha1)", path);
    for (int i = 0; i < BUILD_ID_BYTES; i++)
        snprintf(id + (size_t)2 * (size_t)i, 3, "%02x", note[i]);
    return 0;
}

int elf_read_build_id(const char *path, char id[ELF_BUILD_ID_CHARS], struct err *e)
{
    int rc = -1;
    struct buf f;
    buf_init(&f, ELF_MAX_BYTES);
    id[0] = '\0';
    if (buf_read_file(&f, path) < 0)
        err_set(e, ERR_NOT_FOUND, "%s: %s (build the firmware, or pass --firmware)", path,
                strerror(errno));
    else
        rc = elf_find_build_id(path, f.data, f.len, id, e);
    buf_free(&f);
    return rc;
}
