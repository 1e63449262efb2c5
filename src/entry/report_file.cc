#include "entry/report_file.h"

#include "entry/path.h"
#include "pal/linux.h"
#include "pal/stderr.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

constinit Path g_path;

}  // namespace

void start_report_file() noexcept {
  constexpr const char* kName = "HAKMEM_REPORT_FILE";
  const char* const name = LinuxPlatform::environment(kName);
  if (name == nullptr) return;
  if (*name != '\0') {
    g_path.put_directory_of(name);
    g_path.put(name);
  }
  if (g_path.usable()) return set_report_file(g_path.c_str());
  report_bad_environment(kName, name, "a file name", "stderr alone");
}

}  // namespace hakmem::heap
