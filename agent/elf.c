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
    // offsets in the ELF32 header, and in its tables' rows
    EH_SIZE = 52,
    EH_PHOFF = 28,
    EH_SHOFF = 32,
    EH_PHENTSIZE = 42,
    EH_PHNUM = 44,
    EH_SHENTSIZE = 46,
    EH_SHNUM = 48,
    SH_TYPE = 4,
    SH_OFFSET = 16,
    SH_BYTES = 20,
    SH_ROW = 40,
    PH_TYPE = 0,
    PH_OFFSET = 4,
    PH_BYTES = 16,
    PH_ROW = 32,
    SHT_NOTE = 7,
    PT_NOTE = 4,
    NT_GNU_BUILD_ID = 3,
    BUILD_ID_BYTES = 20,
};

static uint32_t elf_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t elf_u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

// Walks the notes of [offset, offset + bytes): u32 name bytes, desc bytes, type; name and desc
// padded to 4.
static const uint8_t *elf_find_note(const struct buf *f, uint64_t offset, uint64_t bytes)
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

// Looks through one of the two tables. field offsets: type, file offset, size in bytes.
static const uint8_t *elf_scan(const struct buf *f, uint64_t table, uint32_t row, uint32_t rows,
                               uint32_t type, int at_type, int at_offset, int at_bytes,
                               uint32_t row_min)
{
    const uint8_t *note = NULL;
    if (row < row_min)
        return NULL;
    for (uint32_t i = 0; i < rows && !note; i++) {
        uint64_t at = table + (uint64_t)i * row;
        if (at > f->len || f->len - at < row)
            break;
        const uint8_t *p = f->data + at;
        if (elf_u32(p + at_type) == type)
            note = elf_find_note(f, elf_u32(p + at_offset), elf_u32(p + at_bytes));
    }
    return note;
}

int elf_read_build_id(const char *path, char id[ELF_BUILD_ID_CHARS], struct err *e)
{
    int rc = -1;
    struct buf f;
    buf_init(&f, ELF_MAX_BYTES);
    id[0] = '\0';
    if (buf_read_file(&f, path) < 0) {
        err_set(e, ERR_NOT_FOUND, "%s: %s (build the firmware, or pass --firmware)", path,
                strerror(errno));
        goto out;
    }
    // 1, 1: 32 bits, little-endian
    if (f.len < EH_SIZE || memcmp(f.data, "\177ELF\1\1", 6) != 0) {
        err_set(e, ERR_BAD_FIELD, "%s is not a 32-bit little-endian ELF file", path);
        goto out;
    }
    const uint8_t *h = f.data;
    const uint8_t *note =
        elf_scan(&f, elf_u32(h + EH_SHOFF), elf_u16(h + EH_SHENTSIZE), elf_u16(h + EH_SHNUM),
                 SHT_NOTE, SH_TYPE, SH_OFFSET, SH_BYTES, SH_ROW);
    if (!note)
        note = elf_scan(&f, elf_u32(h + EH_PHOFF), elf_u16(h + EH_PHENTSIZE), elf_u16(h + EH_PHNUM),
                        PT_NOTE, PH_TYPE, PH_OFFSET, PH_BYTES, PH_ROW);
    if (!note) {
        err_set(e, ERR_NOT_FOUND, "%s has no GNU build-id of 20 bytes (link with --build-id=sha1)",
                path);
        goto out;
    }
    for (int i = 0; i < BUILD_ID_BYTES; i++)
        snprintf(id + 2 * i, 3, "%02x", note[i]);
    rc = 0;
out:
    buf_free(&f);
    return rc;
}
