/* hakmem's own C API. It is the same in every library: libhakmem (where malloc is hakmem, too, and
 * blocks of either may be passed to the other) and libhakmem_core (where malloc is not).
 *
 * All functions may be called from any thread at any time, but not from a signal handler. Unless
 * stated otherwise, a function that fails for want of memory sets errno to ENOMEM, and a size above
 * PTRDIFF_MAX counts as want of memory. A pointer that is not a live block ends in a fatal report
 * in the hardened flavour (docs/REPORTS.md) and is undefined behaviour in the perf flavour.
 */
#ifndef HAKMEM_HAKMEM_H
#define HAKMEM_HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HAK_API __attribute__((visibility("default")))
#define HAK_ALLOCATES(...) __attribute__((malloc, alloc_size(__VA_ARGS__), warn_unused_result))
#else
#define HAK_API
#define HAK_ALLOCATES(...)
#endif

/* ---- blocks ----
 * Every block is aligned to 16 bytes or more, and as large as was asked for or larger. A size of 0
 * gives a block of its own. */

HAK_API void* hak_malloc(size_t size) HAK_ALLOCATES(1);
/* `count` times `size` zeroed bytes; NULL when the product overflows. */
HAK_API void* hak_calloc(size_t count, size_t size) HAK_ALLOCATES(1, 2);
/* NULL `block`: as hak_malloc. 0 `size`: frees the block and returns NULL. Otherwise NULL leaves
 * the block as it was. */
HAK_API void* hak_realloc(void* block, size_t size);
/* NULL does nothing. Keeps errno. The same for the two below. */
HAK_API void hak_free(void* block);
/* As C23's free_sized: `size` is what the block was allocated with. */
HAK_API void hak_free_sized(void* block, size_t size);
/* As C23's free_aligned_sized, for blocks of hak_aligned_alloc and hak_posix_memalign. */
HAK_API void hak_free_aligned_sized(void* block, size_t alignment, size_t size);
/* `alignment`: any power of two, else NULL and EINVAL. `size` need not be a multiple of it. */
HAK_API void* hak_aligned_alloc(size_t alignment, size_t size) HAK_ALLOCATES(2);
/* 0, EINVAL (`alignment` is not a power of two and multiple of sizeof(void*)) or ENOMEM. errno, and
 * on failure *out, are left alone. */
HAK_API int hak_posix_memalign(void** out, size_t alignment, size_t size);
/* Bytes that may be used; 0 for NULL. */
HAK_API size_t hak_usable_size(const void* block);

/* ---- classes and pages ---- */

/* Classes C0 to C15: class Ck serves sizes up to 8 << k bytes; larger ones are mapped. */
#define HAK_CLASSES 16

/* The class that serves `size` bytes, -1 for none. */
HAK_API int hak_size_class(size_t size);
/* The hak_usable_size of a block of `size` bytes; `size` itself when no class serves it. */
HAK_API size_t hak_good_size(size_t size);

struct hak_page {
  void* base;        /* first byte of the page's first block */
  size_t block_size; /* bytes */
  unsigned capacity; /* blocks */
  unsigned block;    /* number of the block that the pointer lies in, from 0 */
  int size_class;
  int owner; /* number of the context whose page it is, from 1 */
};

/* The v3 page that `pointer` lies in: its base, and more in *page unless that is NULL. Returns
 * NULL, and leaves *page alone, when there is none: v1 and large blocks, and whatever is not
 * hakmem's. Any value may be asked about; the answer stays true as long as the program holds a
 * block of the page. */
HAK_API void* hak_page_of(const void* pointer, struct hak_page* page);

/* ---- policy ----
 * Which heap serves each class, and how much each box may hold. A change is published at once and
 * atomically; another thread takes it up at its next call that leaves the fast path. Blocks stay
 * valid whatever changes. Setters return 0, EINVAL (no such class or heap) or ENOMEM. */

enum hak_heap { HAK_HEAP_V1 = 1, HAK_HEAP_V3 = 3 };

struct hak_class_policy {
  enum hak_heap heap;
  unsigned max_partial; /* partial and empty pages that a thread keeps per block size */
  unsigned warm_cap;    /* free pages that keep their memory, over all threads */
  int pinned;           /* one of the two was set by hak_policy_set_...: not learned */
};

struct hak_policy {
  struct hak_class_policy classes[HAK_CLASSES];
  uint32_t v3_mask; /* bit k: class Ck is on v3 */
  int c6_hot;       /* HAKMEM_TINY_C6_HOT */
  int stats;        /* statistics are on */
  int learn;        /* the learner is on: limits of classes that are not pinned may change */
};

HAK_API void hak_policy_get(struct hak_policy* policy);
HAK_API int hak_policy_set_class(int size_class, enum hak_heap heap);
HAK_API int hak_policy_set_mask(uint32_t v3_mask); /* EINVAL: a bit beyond HAK_CLASSES */
HAK_API int hak_policy_set_max_partial(int size_class, unsigned pages); /* at most 65535 */
HAK_API int hak_policy_set_warm_cap(int size_class, unsigned pages);    /* at most 65535 */
/* The learner (HAKMEM_LEARN, docs/LEARNING.md) raises both limits of a class whose pages go back
 * and forth, and lowers them again later. What the two functions above have set wins: that class is
 * left alone until it is unpinned, which also brings its default limits back. Turned off, limits
 * stay as they are. hak_policy_learn returns 0 or ENOMEM. */
HAK_API int hak_policy_learn(int on);
HAK_API int hak_policy_unpin(int size_class);

/* ---- counters ---- */

/* Since the start of the process, while statistics were on. docs/STATS.md. */
struct hak_class_stats {
  uint64_t route_hits;  /* the class was routed to v3 */
  uint64_t alloc_calls; /* all routes */
  uint64_t free_calls;
  uint64_t alloc_refill;      /* a page was borrowed from the cold box */
  uint64_t alloc_current_hit; /* served without changing page */
  uint64_t alloc_partial_hit; /* a partial page became current */
  uint64_t alloc_ultra_hit;   /* part of alloc_current_hit: the thread's front cache */
  uint64_t alloc_fb_v1;       /* routed to v3, served by v1 */
  uint64_t free_fb_v1;        /* blocks of v1 */
  uint64_t free_current;      /* kept at hand: front cache or current page */
  uint64_t free_partial;
  uint64_t free_retire; /* pages given back to the cold box */
  uint64_t free_remote; /* blocks of another thread's page */
};

struct hak_counters {
  struct hak_class_stats classes[HAK_CLASSES];
  uint64_t total_alloc; /* over all classes, and large */
  uint64_t total_free;
  uint64_t page_of_fail; /* frees of pointers outside v3's pages: v1, large */
  uint64_t large_alloc;
  uint64_t large_free;
};

HAK_API void hak_stats_v3(struct hak_counters* counters);
/* Counting costs the fast path, so it is off unless HAKMEM_SO_V3_STATS=1 or this turns it on. Other
 * threads follow as with every change of policy. Returns 0 or ENOMEM. */
HAK_API int hak_stats_v3_enable(int on);
/* To stderr, as at exit. Allocates nothing. */
HAK_API void hak_stats_v3_print(void);

/* ---- memory ---- */

/* Bytes, unless stated otherwise; docs/STATS.md defines each. Always
 * allocated <= active <= resident <= mapped + metadata. */
struct hak_stats {
  size_t size; /* in: sizeof(struct hak_stats) of the caller; out: bytes of it that are filled */
  size_t allocated;       /* blocks that the program holds, each with its hak_usable_size */
  size_t active;          /* pages that have a block out, whole */
  size_t resident;        /* the most that may be backed by memory */
  size_t mapped;          /* address space in use for blocks: small_mapped + large_mapped */
  size_t retained;        /* address space that is reserved and has never been used */
  size_t metadata;        /* records apart from the blocks */
  size_t small_allocated; /* the part of `allocated` up to 256 KiB a block */
  size_t small_mapped;    /* superslabs and v1's chunks */
  size_t small_idle;      /* free pages that still have memory */
  size_t large_allocated; /* the part of `allocated` with mappings of their own */
  size_t large_mapped;    /* these mappings with their guards, and cached ones */
  size_t large_idle;      /* cached mappings */
  size_t large_blocks;    /* number of large blocks that the program holds */
};

/* Looks at every page: not for hot paths. Returns 0, or EINVAL when stats->size is smaller than
 * that of the first version, whose last member is large_blocks. A member that this library does not
 * know is left alone, and is beyond the size that comes back. */
HAK_API int hak_stats_get(struct hak_stats* stats);

enum hak_stats_format { HAK_STATS_TEXT = 1, HAK_STATS_JSON = 2, HAK_STATS_PROM = 3 };

/* Writes the same, and the counters if they are on, to a file descriptor; HAKMEM_STATS does it at
 * exit and on a signal. Returns 0, EINVAL (no such format) or the error number of the failed write.
 * Waits for the reader. Allocates nothing. */
HAK_API int hak_stats_print(int fd, enum hak_stats_format format);
/* Both give memory back to the system and return how many bytes. hak_purge: what is free now, in
 * every heap, whole pages and between the blocks of pages, also in what other threads hold that are
 * not allocating at this moment; nothing of it is left for a second call, and no thread's caches
 * are touched. hak_trim: first what this thread keeps for its own next calls, then the same.
 * (malloc_trim is hak_trim.) */
HAK_API size_t hak_trim(void);
HAK_API size_t hak_purge(void);

/* ---- limits ----
 * In bytes of blocks' memory, whoever of the heaps has it: pages, v1's chunks, large mappings.
 * docs/LIMITS.md says what is counted. */

#define HAK_NO_LIMIT SIZE_MAX

struct hak_limit {
  size_t soft;      /* above it nothing that is free is kept for later; HAK_NO_LIMIT: none */
  size_t hard;      /* beyond it there is no memory: NULL and ENOMEM, new_handler, bad_alloc */
  size_t held;      /* at the moment */
  uint64_t refused; /* times that a heap was refused memory; not all of them reach the program */
};

/* Instead of HAKMEM_LIMIT_SOFT and HAKMEM_LIMIT_HARD. What is held already stays, but what is free
 * of it is given back when it is more than `soft`. Without a soft limit it is the hard one. Returns
 * 0, or EINVAL: soft is above hard. */
HAK_API int hak_limit_set(size_t soft, size_t hard);
HAK_API void hak_limit_get(struct hak_limit* limit);

/* ---- about ---- */

HAK_API const char* hak_version(void); /* e.g. "hakmem-0.1.0/hardened" */
HAK_API const char* hak_flavour(void); /* "hardened" or "perf" */

#ifdef __cplusplus
}
#endif

#endif /* HAKMEM_HAKMEM_H */
