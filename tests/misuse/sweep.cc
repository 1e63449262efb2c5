// EXPECT: OK
// EXPECT-LINE: ^sweep: \d{4,} of \d{4,} bad frees reported rightly$
// Every bin x state that a block can be in x kind of bad pointer, each in a process of its own. The
// thread that passes it is the block's own or another, in turns: the next bin has it the other way.
// Exits 1 unless each ends in the right report. Counts on the last line.
#include <hakmem/hakmem.h>
#include <malloc.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

enum class State { kLive, kCached, kFree, kRemote, kRetired, kNeverOut, kNeverLent };
enum class Bad { kExact, kInterior, kLast16, kPlus1, kPlus8, kWild, kReallocExact };
enum class End { kOwner, kOther };

constexpr State kStates[] = {State::kLive,    State::kCached,   State::kFree,     State::kRemote,
                             State::kRetired, State::kNeverOut, State::kNeverLent};
constexpr Bad kBads[] = {Bad::kExact, Bad::kInterior, Bad::kLast16,      Bad::kPlus1,
                         Bad::kPlus8, Bad::kWild,     Bad::kReallocExact};
constexpr const char* kStateNames[] = {"LIVE",    "CACHED",    "FREE",      "REMOTE",
                                       "retired", "never out", "never lent"};
constexpr const char* kBadNames[] = {"exact", "+16", "last 16", "+1", "+8", "wild", "realloc"};

struct Case {
  std::size_t size;
  State state;
  Bad bad;
  End end;
};

bool g_on_v1 = false;

// One other thread that runs what it is told, so that starting threads does not disturb the heap.
class Other {
 public:
  Other() {
    sem_init(&go_, 0, 0);
    sem_init(&done_, 0, 0);
    std::thread([this] {
      // So that it has a context, and takes no page later: that could be the one of the case.
      std::free(std::malloc(64));
      for (;;) {
        sem_post(&done_);
        sem_wait(&go_);
        if (realloc_) {
          pointer_ = std::realloc(pointer_, 1);
        } else {
          std::free(pointer_);
        }
      }
    }).detach();
    sem_wait(&done_);
  }
  void free(void* p, bool by_realloc = false) {
    pointer_ = p;
    realloc_ = by_realloc;
    sem_post(&go_);
    sem_wait(&done_);
  }

 private:
  sem_t go_, done_;
  void* pointer_ = nullptr;
  bool realloc_ = false;
};

constexpr std::size_t kManyMax = 2048;
std::array<char*, kManyMax> g_many;

// More blocks than front cache and partial pages hold.
std::size_t allocate_many(std::size_t size) {
  const std::size_t count = size <= 16384 ? kManyMax : 256;
  for (std::size_t i = 0; i < count; ++i) g_many[i] = static_cast<char*>(std::malloc(size));
  return count;
}

char* freed_to_page(std::size_t size) {
  const std::size_t count = allocate_many(size);
  for (std::size_t i = 0; i < count; i += 2) std::free(g_many[i]);
  return g_many[0];
}

char* retired(std::size_t size) {
  const std::size_t count = allocate_many(size);
  for (std::size_t i = 0; i < count; ++i) std::free(g_many[i]);
  malloc_trim(0);
  return g_many[count / 2];
}

// A slot of a page of which one block has been handed out, and that to us. A page that was in use
// before may hold blocks of the C library's, so all such pages are emptied first: what the thread
// can have in magazine and partial pages is less than two pages and the largest magazine.
char* other_slot(std::size_t size) {
  constexpr unsigned kLargestMagazine = 512;
  hak_page page;
  const void* before = hak_page_of(std::malloc(size), &page);
  for (unsigned i = 0; i < 2 * page.capacity + kLargestMagazine; ++i) {
    before = hak_page_of(std::malloc(size), &page);
  }
  char* base = nullptr;
  do {
    base = static_cast<char*>(hak_page_of(std::malloc(size), &page));
  } while (base == before);
  const unsigned last = page.capacity - 1;
  return base + (page.block == last ? 0 : last) * page.block_size;
}

// A block, or what would be one, in the wanted state.
char* prepare(const Case& c, Other& other) {
  if (c.state == State::kFree) return freed_to_page(c.size);
  if (c.state == State::kRetired) return retired(c.size);
  if (c.state == State::kNeverOut) return other_slot(c.size);
  char* const p = static_cast<char*>(std::malloc(c.size));
  if (c.state == State::kCached) std::free(p);
  if (c.state == State::kRemote) other.free(p);
  if (c.state != State::kNeverLent) return p;
  const auto slab = reinterpret_cast<std::uintptr_t>(p) & ~((std::uintptr_t{1} << 21) - 1);
  return reinterpret_cast<char*>(slab + (std::uintptr_t{1} << 28));
}

char* bad_pointer(const Case& c, char* p) {
  switch (c.bad) {
    case Bad::kInterior:
      return p + 16;
    case Bad::kLast16:
      return p + hak_good_size(c.size) - 16;
    case Bad::kPlus1:
      return p + 1;
    case Bad::kPlus8:
      return p + 8;
    case Bad::kWild:
      return reinterpret_cast<char*>(reinterpret_cast<std::uintptr_t>(p) ^
                                     (std::uintptr_t{1} << 46));
    default:
      return p;
  }
}

[[noreturn]] void misuse(const Case& c) {
  static Other other;
  char* const p = bad_pointer(c, prepare(c, other));
  const bool by_realloc = c.bad == Bad::kReallocExact;
  if (c.end == End::kOther) {
    other.free(p, by_realloc);
  } else if (by_realloc) {
    g_many[0] = static_cast<char*>(std::realloc(p, 1));
  } else {
    std::free(p);
  }
  _exit(0);
}

// Codes that the report may have.
std::vector<std::string> right_codes(const Case& c) {
  if (c.bad == Bad::kWild || c.state == State::kNeverLent) return {"invalid-free"};
  if (c.bad == Bad::kPlus1 || c.bad == Bad::kPlus8) return {"misaligned-free"};
  const bool inside = c.bad == Bad::kInterior || c.bad == Bad::kLast16;
  std::string code = inside ? "interior-free" : "double-free";
  if (c.bad == Bad::kReallocExact) code = "freed-realloc";
  // A block that has not been handed out may already wait for that in the front cache.
  if (c.state == State::kNeverOut) return {"invalid-free", code};
  return {code};
}

// What the report's second line says, as far as the state is to be seen there.
std::vector<std::string> right_states(const Case& c) {
  if (c.bad == Bad::kWild || c.state == State::kNeverLent) return {"NONE"};
  if (c.state == State::kLive) return {"LIVE"};
  if (g_on_v1 || c.state == State::kNeverOut) return {"FREE", "CACHED"};
  if (c.state == State::kCached) return {"CACHED"};
  return {c.state == State::kRemote ? "REMOTE" : "FREE"};
}

bool is_a_case(const Case& c) {
  const std::size_t block = hak_good_size(c.size);
  const bool exact = c.bad == Bad::kExact || c.bad == Bad::kReallocExact;
  if (c.state == State::kLive && exact) return false;  // not a fault
  if (c.bad == Bad::kInterior && block < 32) return false;
  if (c.bad == Bad::kLast16 && block < 48) return false;
  return !g_on_v1 || c.state == State::kLive || c.state == State::kCached ||
         c.state == State::kRemote;
}

struct Outcome {
  bool aborted;
  std::string text;
};

Outcome run(const Case& c) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    alarm(20);
    misuse(c);
  }
  close(ends[1]);
  Outcome outcome{};
  char buffer[1024];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    outcome.text.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  return outcome;
}

bool is_right(const Case& c, const Outcome& outcome) {
  if (!outcome.aborted) return false;
  const char* const operation = c.bad == Bad::kReallocExact ? ": realloc(0x" : ": free(0x";
  bool code = false;
  for (const std::string& right : right_codes(c)) {
    const std::string start = "hakmem: fatal: " + right + operation;
    code |= outcome.text.compare(0, start.size(), start) == 0;
  }
  bool state = false;
  for (const std::string& right : right_states(c)) {
    state |= outcome.text.find(" state=" + right + " ") != std::string::npos;
  }
  return code && state;
}

void complain(const Case& c, const Outcome& outcome) {
  std::fprintf(stderr, "sweep: size %zu, %s, %s, %s thread: %s\n%s", c.size,
               kStateNames[static_cast<int>(c.state)], kBadNames[static_cast<int>(c.bad)],
               c.end == End::kOwner ? "owner" : "other",
               outcome.aborted ? "wrong report" : "no report", outcome.text.c_str());
}

// One size of each bin. C0 and C1 have the same block size.
std::vector<std::size_t> sizes() {
  std::vector<std::size_t> all = {8, 16};
  for (std::size_t n = 17; hak_size_class(n) >= 0; n = hak_good_size(n) + 1) all.push_back(n);
  return all;
}

}  // namespace

int main() {
  hak_policy policy;
  hak_policy_get(&policy);
  g_on_v1 = policy.v3_mask == 0;
  unsigned cases = 0, right = 0, turn = 0;
  for (const std::size_t size : sizes()) {
    for (const State state : kStates) {
      for (const Bad bad : kBads) {
        const Case c{size, state, bad, turn++ % 2 == 0 ? End::kOwner : End::kOther};
        if (!is_a_case(c)) continue;
        const Outcome outcome = run(c);
        ++cases;
        if (is_right(c, outcome)) {
          ++right;
        } else if (cases - right <= 5) {
          complain(c, outcome);
        }
      }
    }
  }
  std::fprintf(stderr, "sweep: %u of %u bad frees reported rightly\n", right, cases);
  return cases != 0 && right == cases ? 0 : 1;
}
