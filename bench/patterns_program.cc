// Patterns of whole programs: a tree, a server's requests, a table of strings. See patterns.h.
#include <stdlib.h>

#include <cstring>

#include "driver.h"
#include "patterns.h"

namespace hakmem::bench {
namespace {

// ---- tree: binary trees of small nodes, built and torn down recursively (compilers, parsers) ----

constexpr unsigned kTreeDepth = 15;
constexpr unsigned kTrees = 16;

struct Node {
  Node* left;
  Node* right;
  uint64_t payload[2];
};

Node* build_tree(unsigned depth) {
  Node* node = static_cast<Node*>(malloc(sizeof(Node)));
  touch(node, sizeof(Node));
  node->left = depth > 1 ? build_tree(depth - 1) : nullptr;
  node->right = depth > 1 ? build_tree(depth - 1) : nullptr;
  return node;
}

void free_tree(Node* node) {
  if (node == nullptr) return;
  free_tree(node->left);
  free_tree(node->right);
  free(node);
}

void tree_worker(void*, unsigned) {
  Node* long_lived = build_tree(kTreeDepth);
  for (unsigned i = 1; i < kTrees; ++i) free_tree(build_tree(kTreeDepth));
  free_tree(long_lived);
}

// ---- server: a request's objects die with it, in reverse; one in fifty outlives it in a cache
// ----

constexpr unsigned kRequests = 12000;
constexpr unsigned kObjectsMax = 64;
constexpr unsigned kCacheSlots = 4000;

// Halves in number each time it doubles in size: many small objects, a long tail up to 16 KiB.
size_t request_size(Random& random) {
  const unsigned doublings = static_cast<unsigned>(__builtin_ctzll(random.next() | 1u << 10));
  const size_t base = size_t{16} << doublings;
  return base + random.below(base);
}

unsigned serve(void** cache, Random& random) {
  void* objects[kObjectsMax];
  const unsigned count = 16 + random.below(kObjectsMax - 16);
  for (unsigned i = 0; i < count; ++i) {
    const size_t size = request_size(random);
    objects[i] = malloc(size);
    touch(objects[i], size);
  }
  for (unsigned i = count; i > 0; --i) {
    void* leaving = objects[i - 1];
    if (random.below(50) == 0) {
      void*& slot = cache[random.below(kCacheSlots)];
      void* evicted = slot;
      slot = leaving;
      leaving = evicted;
    }
    free(leaving);
  }
  return count;
}

struct Server {
  uint64_t seed;
  uint64_t objects[kThreadsMax];
};

void server_worker(void* context, unsigned thread) {
  Server& server = *static_cast<Server*>(context);
  Random random(server.seed + thread);
  Table<void*> cache(kCacheSlots);
  for (unsigned i = 0; i < kRequests; ++i) server.objects[thread] += serve(cache.data(), random);
  for (unsigned i = 0; i < kCacheSlots; ++i) free(cache[i]);
}

// ---- strings: a chained table of strings that come, grow and go (interpreters, databases) ----

constexpr unsigned kBuckets = 16384;
constexpr unsigned kStringOps = 300000;
constexpr size_t kStringBytesMax = 2048;

struct Entry {
  Entry* next;
  size_t length;
};

char* text_of(Entry* entry) { return reinterpret_cast<char*>(entry + 1); }

void insert_string(Entry** bucket, size_t length) {
  Entry* entry = static_cast<Entry*>(malloc(sizeof(Entry) + length));
  if (entry == nullptr) fail("out of memory", "strings");
  entry->next = *bucket;
  entry->length = length;
  memset(text_of(entry), 's', length);
  *bucket = entry;
}

void append_to_string(Entry** bucket, size_t more) {
  const size_t length = (*bucket)->length;
  if (length + more > kStringBytesMax) return;
  Entry* grown = static_cast<Entry*>(realloc(*bucket, sizeof(Entry) + length + more));
  if (grown == nullptr) fail("out of memory", "strings");
  memset(text_of(grown) + length, 'a', more);
  grown->length = length + more;
  *bucket = grown;
}

void erase_string(Entry** bucket) {
  Entry* entry = *bucket;
  *bucket = entry->next;
  free(entry);
}

void strings_worker(void* context, unsigned thread) {
  const PatternSetup& setup = *static_cast<const PatternSetup*>(context);
  Random random(setup.seed + thread);
  Table<Entry*> buckets(kBuckets);
  for (unsigned i = 0; i < kStringOps; ++i) {
    Entry** bucket = &buckets[random.below(kBuckets)];
    const uint32_t what = random.below(100);
    if (*bucket == nullptr || what < 30) {
      insert_string(bucket, 8 + random.below(120));
    } else if (what < 60) {
      append_to_string(bucket, 8 + random.below(56));
    } else {
      erase_string(bucket);
    }
  }
  for (unsigned i = 0; i < kBuckets; ++i) {
    while (buckets[i] != nullptr) erase_string(&buckets[i]);
  }
}

}  // namespace

uint64_t run_tree(const PatternSetup& setup) {
  run_on_threads(setup.threads, tree_worker, nullptr);
  return uint64_t{setup.threads} * kTrees * ((1u << kTreeDepth) - 1);
}

uint64_t run_server(const PatternSetup& setup) {
  Server server{setup.seed, {}};
  run_on_threads(setup.threads, server_worker, &server);
  uint64_t objects = 0;
  for (const uint64_t of_thread : server.objects) objects += of_thread;
  return objects;
}

uint64_t run_strings(const PatternSetup& setup) {
  PatternSetup copy = setup;
  run_on_threads(setup.threads, strings_worker, &copy);
  return uint64_t{setup.threads} * kStringOps;
}

}  // namespace hakmem::bench
