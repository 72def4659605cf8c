// SPDX-License-Identifier: MIT
// A minimal FlatBuffers writer: parents first, children after them, linked once they are written.
// Positions are byte offsets from the start of the buf, which must be the start of the file. Values
// are little-endian on every machine.
//
//   size_t t = fb_table(b, (struct fb_field[]){fb_i32(0, 3), fb_ref(3)}, 2);
//   fb_link(b, t, 3, fb_string(b, "text"));
//
// Errors stick to the buf (b->failed); after one, positions mean nothing and every call is
// harmless.
#ifndef MODELS_FB_H
#define MODELS_FB_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define FB_MAX_FIELDS 16

struct fb_field {
    int id;        // the field's position in its table of the schema, 0..FB_MAX_FIELDS-1
    int size;      // bytes: 1 or 4
    uint32_t bits; // its value; 0 for a reference until fb_link()
};

struct fb_field fb_u8(int id, int value);
struct fb_field fb_i32(int id, int32_t value);
struct fb_field fb_f32(int id, float value);
struct fb_field fb_ref(int id); // to a string, vector or table: must be linked

// Begins a file: root offset and the four characters of the identifier. Link the root table with
// fb_link_root().
void fb_begin(struct buf *b, const char *identifier);
void fb_link_root(struct buf *b, size_t table);

size_t fb_table(struct buf *b, const struct fb_field *fields, size_t n);
size_t fb_string(struct buf *b, const char *text);
size_t fb_bytes(struct buf *b, const void *bytes, size_t n); // [ubyte], its first byte 16-aligned
size_t fb_i32s(struct buf *b, const int32_t *values, size_t n);
size_t fb_f32s(struct buf *b, const float *values, size_t n);
size_t fb_i64s(struct buf *b, const int64_t *values, size_t n); // its first element 8-aligned
size_t fb_refs(struct buf *b, size_t n);                        // n references, each to be linked

void fb_link(struct buf *b, size_t table, int id, size_t child);
void fb_link_at(struct buf *b, size_t refs, size_t index, size_t child);

#endif
