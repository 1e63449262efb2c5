// A program that closes stderr and opens its data there: no line of the allocator's lands in it,
// neither a warning nor a fatal report; those go to HAKMEM_REPORT_FILE. Logs get them, too.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "hakmem_process.h"

namespace {

using process::check;

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The child's descriptor 2 is `fd`; what it does there ends in SIGABRT, or in 0.
template <class Work>
void in_child(int fd, int signal, Work&& work) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    dup2(fd, 2);
    work();
    _exit(0);
  }
  int status = 0;
  check(waitpid(child, &status, 0) == child, "waitpid");
  check(signal == 0 ? status == 0 : WIFSIGNALED(status) && WTERMSIG(status) == signal, "its end");
}

void misuse() { std::free(reinterpret_cast<void*>(std::uintptr_t{0x123450})); }
// Until there is no mapping left, which the allocator says once.
void run_out_of_mappings() {
  for (int made = 0;; ++made) {
    const int protection = made % 2 != 0 ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) break;
  }
  for (std::size_t i = 0; i < 300; ++i) static_cast<void>(std::malloc(i * 5000));
}

}  // namespace

int main() {
  process::start();
  const char* const named = std::getenv("HAKMEM_REPORT_FILE");
  check(named != nullptr, "HAKMEM_REPORT_FILE is not set");
  const std::string report = named, data = report + ".data", log = report + ".log";
  unlink(named);
  setenv("HAKMEM_REPORT_FILE", "ignored: it was read at the start", 1);
  const int database = open(data.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  check(database >= 0 && write(database, "DATABASE", 8) == 8, "the database");
  in_child(database, SIGABRT, misuse);
  in_child(database, 0, run_out_of_mappings);
  check(contents(data) == "DATABASE", "something was written into the database");
  check(contents(report).find("invalid-free") != std::string::npos, "no report in the file");

  const int appended = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
  in_child(appended, SIGABRT, misuse);
  in_child(appended, 0, run_out_of_mappings);
  check(contents(log).find("invalid-free") != std::string::npos, "no report in the log");
  check(contents(log).find("vm.max_map_count") != std::string::npos, "no warning in the log");

  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  in_child(ends[0], 0, run_out_of_mappings);
  char text[4096];
  check(recv(ends[1], text, sizeof text, MSG_DONTWAIT) < 0, "a warning went to a peer");
  in_child(ends[0], SIGABRT, misuse);
  check(recv(ends[1], text, sizeof text, MSG_DONTWAIT) > 0, "no report to whoever reads stderr");
}
