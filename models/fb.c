// SPDX-License-Identifier: MIT
// See fb.h. A table is written as its vtable followed by itself:
//
//   vtable  u16 bytes of the vtable | u16 bytes of the table | u16 offset of field 0, 1, ... (0 =
//   absent) table   i32 table - vtable | 4-byte fields | 1-byte fields
#include "models/fb.h"

#include <assert.h>
#include <string.h>

static void put_u16(struct buf *b, size_t value)
{
    uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    buf_add(b, bytes, sizeof bytes);
}

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_add(b, bytes, sizeof bytes);
}

// Stores the distance from the reference at `from` to `to`, which lies behind it.
static void set_ref(struct buf *b, size_t from, size_t to)
{
    if (b->failed)
        return;
    assert(to > from && to <= b->len && from + 4 <= b->len);
    uint32_t v = (uint32_t)(to - from);
    for (int i = 0; i < 4; i++)
        b->data[from + (size_t)i] = (uint8_t)(v >> (8 * i));
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

struct fb_field fb_u8(int id, int value)
{
    return (struct fb_field){.id = id, .size = 1, .bits = (uint8_t)value};
}

struct fb_field fb_i32(int id, int32_t value)
{
    return (struct fb_field){.id = id, .size = 4, .bits = (uint32_t)value};
}

struct fb_field fb_f32(int id, float value)
{
    return (struct fb_field){.id = id, .size = 4, .bits = float_bits(value)};
}

struct fb_field fb_ref(int id)
{
    return (struct fb_field){.id = id, .size = 4, .bits = 0};
}

void fb_begin(struct buf *b, const char *identifier)
{
    assert(b->len == 0 && strlen(identifier) == 4);
    put_u32(b, 0);
    buf_add(b, identifier, 4);
}

void fb_link_root(struct buf *b, size_t table)
{
    set_ref(b, 0, table);
}

size_t fb_table(struct buf *b, const struct fb_field *fields, size_t n)
{
    size_t offset[FB_MAX_FIELDS] = {0};
    size_t n_ids = 0, table_bytes = 4;
    for (int size = 4; size >= 1; size -= 3) {
        for (size_t i = 0; i < n; i++) {
            assert(fields[i].id >= 0 && fields[i].id < FB_MAX_FIELDS &&
                   !(size == 4 && offset[fields[i].id]));
            if (fields[i].size != size)
                continue;
            offset[fields[i].id] = table_bytes;
            table_bytes += (size_t)size;
            if (n_ids < (size_t)fields[i].id + 1)
                n_ids = (size_t)fields[i].id + 1;
        }
    }
    buf_align(b, 4);
    size_t vtable = b->len;
    put_u16(b, 4 + 2 * n_ids);
    put_u16(b, table_bytes);
    for (size_t id = 0; id < n_ids; id++)
        put_u16(b, offset[id]);
    buf_align(b, 4);
    size_t table = b->len;
    put_u32(b, (uint32_t)(table - vtable));
    for (int size = 4; size >= 1; size -= 3) {
        for (size_t i = 0; i < n; i++) {
            if (fields[i].size == 4 && size == 4)
                put_u32(b, fields[i].bits);
            else if (fields[i].size == 1 && size == 1)
                buf_add(b, &(uint8_t){(uint8_t)fields[i].bits}, 1);
        }
    }
    return table;
}

// Writes a vector's length where the elements behind it come to lie at a multiple of alignment.
static size_t begin_vector(struct buf *b, size_t n, size_t alignment)
{
    buf_align(b, 4);
    while (!b->failed && (b->len + 4) % alignment != 0)
        buf_zero(b, 4);
    size_t at = b->len;
    put_u32(b, (uint32_t)n);
    return at;
}

size_t fb_string(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    size_t at = begin_vector(b, n, 4);
    buf_add(b, text, n);
    buf_zero(b, 1);
    return at;
}

size_t fb_bytes(struct buf *b, const void *bytes, size_t n)
{
    size_t at = begin_vector(b, n, 16);
    buf_add(b, bytes, n);
    return at;
}

size_t fb_i32s(struct buf *b, const int32_t *values, size_t n)
{
    size_t at = begin_vector(b, n, 4);
    for (size_t i = 0; i < n; i++)
        put_u32(b, (uint32_t)values[i]);
    return at;
}

size_t fb_f32s(struct buf *b, const float *values, size_t n)
{
    size_t at = begin_vector(b, n, 4);
    for (size_t i = 0; i < n; i++)
        put_u32(b, float_bits(values[i]));
    return at;
}

size_t fb_i64s(struct buf *b, const int64_t *values, size_t n)
{
    size_t at = begin_vector(b, n, 8);
    for (size_t i = 0; i < n; i++) {
        put_u32(b, (uint32_t)values[i]);
        put_u32(b, (uint32_t)((uint64_t)values[i] >> 32));
    }
    return at;
}

size_t fb_refs(struct buf *b, size_t n)
{
    size_t at = begin_vector(b, n, 4);
    buf_zero(b, 4 * n);
    return at;
}

void fb_link(struct buf *b, size_t table, int id, size_t child)
{
    if (b->failed)
        return;
    const uint8_t *t = b->data + table;
    size_t back = t[0] | (size_t)t[1] << 8 | (size_t)t[2] << 16 | (size_t)t[3] << 24;
    const uint8_t *slot = t - back + 4 + 2 * id;
    size_t offset = slot[0] | (size_t)slot[1] << 8;
    assert(offset != 0);
    set_ref(b, table + offset, child);
}

void fb_link_at(struct buf *b, size_t refs, size_t index, size_t child)
{
    set_ref(b, refs + 4 + 4 * index, child);
}
