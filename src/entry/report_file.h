// HAKMEM_REPORT_FILE: where fatal reports are appended, besides stderr.
#pragma once

namespace hakmem::heap {

// Remembers the name as it is now; the program may change its directory and its environment.
void start_report_file() noexcept;

}  // namespace hakmem::heap
