/* What the bindings need of a C library. vespid.c has it. */
#ifndef VESPID_STRING_H
#define VESPID_STRING_H
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *text);

#endif
