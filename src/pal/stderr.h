// Descriptor 2, as long as it is stderr. A program may close it and open its database there: a
// line of the allocator's would then end up in the data. So what it was at the start is remembered.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem {

enum class Line : std::uint8_t {
  kWarning,    // to what stderr was at the start, a terminal, or a log
  kWanted,     // to pipes and sockets, too: asked for, or the last that the process says
  kCalledFor,  // to whatever it is: the program calls a function that writes there
};

// Once, at the start.
void remember_stderr() noexcept;

// Whether descriptor 2 takes such a line. Always before it was remembered.
bool stderr_takes(Line line) noexcept;

// To stderr, if it takes it; what cannot be written is lost.
void write_stderr(Line line, const char* text, std::size_t bytes) noexcept;

// Where fatal reports are written besides: appended to the file of that name, which must be
// absolute and stay there; nullptr: nowhere.
void set_report_file(const char* path) noexcept;
void append_to_report_file(const char* text, std::size_t bytes) noexcept;

}  // namespace hakmem
