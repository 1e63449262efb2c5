// Compiler spellings that the language lacks: what must be inlined, what must stay out of line, and
// which side of a branch is the straight-line one.
#pragma once

#define HAKMEM_ALWAYS_INLINE [[gnu::always_inline]] inline
#define HAKMEM_NOINLINE [[gnu::noinline]]
#define HAKMEM_COLD [[gnu::noinline, gnu::cold]]
// Beside what is relocated at load: written at every start, it costs no page of its own there.
#define HAKMEM_START_DATA [[gnu::section(".data")]]
#define HAKMEM_EXPORT [[gnu::visibility("default")]]
#define HAKMEM_LIKELY(x) __builtin_expect(!!(x), 1)
#define HAKMEM_UNLIKELY(x) __builtin_expect(!!(x), 0)
// A read that races with plain writes on purpose: only ever for a count.
#define HAKMEM_RACY_COUNT __attribute__((no_sanitize("thread")))
