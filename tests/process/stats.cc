// What the allocator says of itself is what the program holds: hak_stats_get, mallinfo2, JSON and
// Prometheus against the program's own count of usable bytes, over small, mid and large blocks and
// several threads, to the byte. And HAKMEM_STATS: at exit, in a forked child, on a signal in an
// idle program, in a storm of signals, into a pipe that nobody reads.
//
//   stats LIBRARY_MODE      agree | exit | signal | storm | full_pipe | forked     (most run
//   themselves again)
#include <fcntl.h>
#include <hakmem/hakmem.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

template <class Function>
auto symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}
const auto get_stats = symbol<int(hak_stats*)>("hak_stats_get");
const auto print_stats = symbol<int(int, hak_stats_format)>("hak_stats_print");

// ---- agree: nothing is allocated between two statements about memory

constexpr unsigned kThreads = 3;
constexpr std::size_t kBlocks = 4000;
struct Holder {
  std::array<void*, kBlocks> blocks{};
  std::size_t usable = 0;  // bytes of them
};
Holder holders[kThreads];
pthread_barrier_t barrier;

void meet() { pthread_barrier_wait(&barrier); }

std::size_t pick(process::Sequence& sequence) {
  const std::uint32_t kind = sequence.below(100);
  if (kind < 60) return sequence.below(1025);
  if (kind < 98) return sequence.below(262145);
  return 262145 + sequence.below(3000000);
}

void change_some(Holder& holder, process::Sequence& sequence, unsigned changes) {
  for (unsigned i = 0; i < changes; ++i) {
    void*& place = holder.blocks[sequence.below(kBlocks)];
    holder.usable -= malloc_usable_size(place);
    const std::uint32_t what = sequence.below(4);
    if (what == 0 && place != nullptr) {
      place = std::realloc(place, pick(sequence) + 1);
    } else {
      std::free(place);
      place = what == 1 ? nullptr : std::malloc(pick(sequence));
    }
    holder.usable += malloc_usable_size(place);
  }
}

// Every other round a thread frees what its neighbour allocated.
void work(unsigned t, unsigned rounds) {
  process::Sequence sequence(t + 1);
  change_some(holders[t], sequence, 100);
  meet();
  meet();
  for (unsigned round = 0; round < rounds; ++round) {
    change_some(holders[(t + round) % kThreads], sequence, 2000);
    meet();
    meet();
  }
  for (void* p : holders[t].blocks) std::free(p);
  meet();
  meet();
}

std::size_t held() {
  std::size_t bytes = 0;
  for (const Holder& holder : holders) bytes += holder.usable;
  return bytes;
}

struct Statement {
  hak_stats stats;
  std::size_t mallinfo;
  char json[1 << 16];
  char prom[1 << 16];
};
Statement statement;
int scratch = -1;

void print_into(char* text, std::size_t bytes, hak_stats_format format) {
  check(ftruncate(scratch, 0) == 0 && lseek(scratch, 0, SEEK_SET) == 0, "scratch file");
  check(print_stats(scratch, format) == 0, "hak_stats_print");
  const ssize_t n = pread(scratch, text, bytes - 1, 0);
  check(n > 0, "nothing was printed");
  text[n] = '\0';
}

void print_nowhere() {
  check(print_stats(-1, HAK_STATS_TEXT) == EBADF, "a negative file descriptor");
  const int closed = dup(scratch);
  check(close(closed) == 0 && print_stats(closed, HAK_STATS_JSON) == EBADF, "a closed one");
}

std::size_t allocated() {
  hak_stats stats{};
  stats.size = sizeof stats;
  check(get_stats(&stats) == 0, "hak_stats_get");
  return stats.allocated;
}

void state() {
  statement.stats.size = sizeof(hak_stats);
  check(get_stats(&statement.stats) == 0, "hak_stats_get");
  statement.mallinfo = process::live_bytes();
  print_into(statement.json, sizeof statement.json, HAK_STATS_JSON);
  print_into(statement.prom, sizeof statement.prom, HAK_STATS_PROM);
}

std::size_t from_prom(const char* name) {
  const char* const at = std::strstr(statement.prom, name);
  check(at != nullptr, "a metric is missing");
  return std::strtoull(at + std::strlen(name), nullptr, 10);
}

void expect_agreement(std::size_t due) {
  const hak_stats& s = statement.stats;
  if (s.allocated != due) std::fprintf(stderr, "allocated %zu, held %zu\n", s.allocated, due);
  check(s.allocated == due, "hak_stats_get and what the program holds");
  check(statement.mallinfo == due, "mallinfo2 and what the program holds");
  const auto json = nlohmann::json::parse(statement.json);
  check(json.at("allocated") == due && json.at("active") == s.active, "JSON");
  check(json.at("resident") == s.resident && json.at("mapped") == s.mapped, "JSON");
  check(json.at("retained") == s.retained && json.at("metadata") == s.metadata, "JSON");
  check(from_prom("\nhakmem_allocated_bytes ") == due, "Prometheus");
  check(from_prom("\nhakmem_active_bytes ") == s.active, "Prometheus");
  check(from_prom("\nhakmem_resident_bytes ") == s.resident, "Prometheus");
  check(s.allocated <= s.active && s.active <= s.resident, "law M1");
  check(s.resident <= s.mapped + s.metadata, "law M1");
}

int agree(unsigned rounds) {
  scratch = memfd_create("stats", MFD_CLOEXEC);
  check(scratch >= 0, "memfd_create");
  print_nowhere();
  pthread_barrier_init(&barrier, nullptr, kThreads + 1);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back(work, t, rounds);
  meet();
  state();
  const std::size_t before = statement.stats.allocated - held();  // the program itself
  std::size_t most = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    meet();
    meet();
    state();
    const std::size_t own = held();
    expect_agreement(before + own);
    check(allocated() == before + own, "reading changed it");
    most = own > most ? own : most;
  }
  meet();
  meet();
  check(allocated() == before, "after the last free");
  meet();
  for (std::thread& thread : threads) thread.join();
  std::printf("%u statements about up to %zu bytes, to the byte\n", rounds, most);
  return 0;
}

// ---- HAKMEM_STATS in programs of its own

std::string self;

template <class Start>
pid_t start(const std::vector<std::pair<const char*, std::string>>& environment, const char* mode,
            Start&& prepare) {
  const pid_t child = fork();
  if (child != 0) return child;
  for (const auto& [name, value] : environment) setenv(name, value.c_str(), 1);
  prepare();
  execl(self.c_str(), self.c_str(), mode, static_cast<char*>(nullptr));
  _exit(126);
}

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/hakmem_stats_XXXXXX";
    check(mkdtemp(name) != nullptr, "mkdtemp");
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::filesystem::path of(pid_t process) const { return path_ / ("s." + std::to_string(process)); }
  std::string pattern() const { return path_ / "s.%p"; }
  const std::filesystem::path& path() const { return path_; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

// Holds 5,000,000 bytes and exits; so does a child that it forks.
int holding() {
  void* volatile kept = std::malloc(5000000);
  check(kept != nullptr, "malloc");
  check(chdir("/") == 0, "chdir");
  const pid_t child = fork();
  if (child != 0) process::expect_exit_0(child);
  return 0;
}

int at_exit() {
  const Directory directory;
  umask(0);
  const auto nothing = [] {};
  pid_t process = start({{"HAKMEM_STATS", "json"}, {"HAKMEM_STATS_FILE", directory.pattern()}},
                        "holding", nothing);
  process::expect_exit_0(process);
  check(directory.files() == 2, "one file for it and one for its child");
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    const auto json = nlohmann::json::parse(contents(file));
    check(file.path() == directory.of(json.at("process")), "the file of another process");
    struct stat kept{};
    check(stat(file.path().c_str(), &kept) == 0 && (kept.st_mode & 07777) == 0644, "its mode");
    check(json.at("large_allocated") >= 5000000, "the block is missing");
  }
  process = start({{"HAKMEM_STATS", "prom"}, {"HAKMEM_STATS_FILE", "relative"}}, "holding",
                  [&] { check(chdir(directory.path().c_str()) == 0, "chdir"); });
  process::expect_exit_0(process);
  check(contents(directory.path() / "relative").find("# TYPE hakmem_active_bytes gauge\n") !=
            std::string::npos,
        "relative");
  const std::filesystem::path piped = directory.path() / "piped";
  process = start({{"HAKMEM_STATS", "text"}, {"HAKMEM_STATS_FILE", "fd:7"}}, "holding",
                  [&] { dup2(open(piped.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 7); });
  process::expect_exit_0(process);
  check(contents(piped).find("\n  large_allocated ") != std::string::npos, "fd:7");
  const std::filesystem::path errors = directory.path() / "errors";
  process =
      start({{"HAKMEM_STATS", "text"}, {"HAKMEM_STATS_FILE", "/no/such/directory/x"}}, "holding",
            [&] { dup2(open(errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2); });
  process::expect_exit_0(process);
  const std::string told =
      "hakmem: warning: HAKMEM_STATS_FILE=\"/no/such/directory/x\" cannot be written\n";
  check(contents(errors) == told + told, "a file that cannot be written is told, by both");
  return 0;
}

// An idle program: nothing but the handler can answer.
int idle() {
  void* volatile kept = std::malloc(3000000);
  check(kept != nullptr && write(STDOUT_FILENO, "r", 1) == 1, "ready");
  for (;;) pause();
}

void wait_for(int fd) {
  char ready = 0;
  check(read(fd, &ready, 1) == 1, "the program is ready");
}

int on_signal() {
  const Directory directory;
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  const pid_t process = start({{"HAKMEM_STATS", "json"},
                               {"HAKMEM_STATS_FILE", directory.pattern()},
                               {"HAKMEM_STATS_SIGNAL", "SIGUSR2"}},
                              "idle", [&] { dup2(ends[1], STDOUT_FILENO); });
  wait_for(ends[0]);
  const auto open_files = [&] {
    const std::filesystem::directory_iterator files("/proc/" + std::to_string(process) + "/fd");
    return std::distance(begin(files), end(files));
  };
  const auto before = open_files();
  for (int i = 0; i < 3; ++i) {
    std::filesystem::remove(directory.of(process));
    check(kill(process, SIGUSR2) == 0, "kill");
    std::string text;
    while (text.empty() || text.back() != '\n') {
      usleep(1000);
      text = contents(directory.of(process));
    }
    check(nlohmann::json::parse(text).at("large_allocated") >= 3000000, "the block is missing");
  }
  while (open_files() != before) usleep(1000);  // it has written the last, and closes it
  kill(process, SIGKILL);
  waitpid(process, nullptr, 0);
  return 0;
}

// Threads allocate and free all the time, and each is sent the signal again and again.
int stormed() {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      process::Sequence sequence(t);
      std::vector<process::Block*> blocks(64);
      while (!stop.load()) {
        process::Block*& block = blocks[sequence.below(64)];
        process::check_and_free(block);
        block =
            process::make_block(sequence.below(4) == 0 ? 300000 : process::pick_size(sequence), t);
        errno = 4711;
        process::check_and_free(process::make_block(300000, t));
        check(errno == 4711, "a handler changes errno");
      }
      for (process::Block* block : blocks) process::check_and_free(block);
    });
  }
  for (unsigned i = 0; i < 600; ++i) {
    for (std::thread& thread : threads) pthread_kill(thread.native_handle(), SIGUSR2);
    const pid_t child = i % 20 == 0 ? fork() : 0;
    if (child != 0) {
      process::expect_exit_0(child);
    } else if (i % 20 == 0) {
      raise(SIGUSR2);
      std::free(std::malloc(300000));
      _exit(0);
    }
    usleep(300);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

int storm() {
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);  // room for all of it: a slow reader must not matter
  const pid_t process = start(
      {{"HAKMEM_STATS", "json"}, {"HAKMEM_STATS_FILE", "fd:8"}, {"HAKMEM_STATS_SIGNAL", "USR2"}},
      "stormed", [&] {
        dup2(ends[1], 8);
        close(ends[0]);
        close(ends[1]);
      });
  close(ends[1]);
  std::string all;
  char part[65536];
  for (ssize_t n = 0; (n = read(ends[0], part, sizeof part)) > 0;) {
    all.append(part, static_cast<std::size_t>(n));
  }
  process::expect_exit_0(process);
  std::size_t lines = 0;
  for (std::size_t at = 0; at < all.size(); ++lines) {
    const std::size_t end = all.find('\n', at);
    check(end != std::string::npos, "the last line ends");
    check(nlohmann::json::parse(all.substr(at, end - at)).at("allocated") > 0, "a line of JSON");
    at = end + 1;
  }
  std::printf("%zu statements in a storm\n", lines);
  check(lines > 0, "no signal was answered");
  return 0;
}

// The pipe is full and nobody reads it; the program goes on all the same, and ends.
int full_pipe() {
  int ends[2];
  check(pipe(ends) == 0, "pipe");
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  int ready[2];
  check(pipe(ready) == 0, "pipe");
  const pid_t process = start(
      {{"HAKMEM_STATS", "prom"}, {"HAKMEM_STATS_FILE", "fd:8"}, {"HAKMEM_STATS_SIGNAL", "12"}},
      "signals_itself", [&] {
        dup2(ends[1], 8);
        dup2(ready[1], STDOUT_FILENO);
      });
  wait_for(ready[0]);
  kill(process, SIGKILL);
  waitpid(process, nullptr, 0);
  return 0;
}

// Whether that thread of this process sleeps in a call of that number.
bool sleeps_in(pid_t thread, long call) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/syscall");
  std::string now;
  check(static_cast<bool>(file >> now), "/proc tells what a thread does");
  return now == std::to_string(call);
}

// A child is forked while another thread prints into a pipe that is full: the child prints, too.
int forked() {
  int ends[2];
  check(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096, "pipe");
  static char page[4096];
  check(write(ends[1], page, sizeof page) == sizeof page, "the pipe is full");
  scratch = memfd_create("stats", MFD_CLOEXEC);
  std::atomic<pid_t> printer{0};
  std::thread printing([&] {
    printer.store(gettid());
    check(print_stats(ends[1], HAK_STATS_PROM) == 0, "printing into the pipe");
    close(ends[1]);
  });
  while (printer.load() == 0 || !sleeps_in(printer.load(), SYS_ppoll)) usleep(1000);
  const pid_t child = fork();
  if (child == 0) {
    process::watchdog();
    print_into(statement.json, sizeof statement.json, HAK_STATS_JSON);
    check(nlohmann::json::parse(statement.json).at("process") == getpid(), "whose statistics");
    _exit(0);
  }
  process::expect_exit_0(child);
  std::size_t all = 0;
  for (ssize_t n = 0; (n = read(ends[0], page, sizeof page)) > 0;)
    all += static_cast<std::size_t>(n);
  printing.join();
  check(all > sizeof page, "the rest of the text");
  return 0;
}

int signals_itself() {
  for (int i = 0; i < 4; ++i) raise(12);
  check(write(STDOUT_FILENO, "r", 1) == 1, "ready");
  for (;;) pause();
}

}  // namespace

int main(int, char** arguments) {
  process::start();
  self = arguments[0];
  const std::string mode = arguments[1];
  if (mode == "agree") return agree(30);
  if (mode == "exit") return at_exit();
  if (mode == "signal") return on_signal();
  if (mode == "storm") return storm();
  if (mode == "full_pipe") return full_pipe();
  if (mode == "forked") return forked();
  if (mode == "holding") return holding();
  if (mode == "idle") return idle();
  if (mode == "stormed") return stormed();
  if (mode == "signals_itself") return signals_itself();
  process::fail("no such mode", std::source_location::current());
}
