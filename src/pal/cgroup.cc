#include "pal/cgroup.h"

#include <string.h>

#include <cstdint>
#include <string_view>

#include "base/parse.h"
#include "base/text.h"
#include "pal/system_call.h"

namespace hakmem {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};

using File = TextOf<4095>;

// The start of the file, as far as there is room for it.
File read_text(const char* path) noexcept {
  File text;
  sys::read_file(path, [&](const char* piece, std::size_t n) { text.put(piece, n); });
  return text;
}

// The group's path, "" when there is none or it lies outside of what this process can see.
File group_path(const char* membership) noexcept {
  const File lines = read_text(membership);
  File path;
  for (const char* line = lines.c_str(); *line != '\0';) {
    const char* const end = strchrnul(line, '\n');
    if (strncmp(line, "0::", 3) == 0) path.put(line + 3, static_cast<std::size_t>(end - line - 3));
    line = *end == '\0' ? end : end + 1;
  }
  const bool inside = path.c_str()[0] == '/' && strstr(path.c_str(), "/..") == nullptr;
  if (!inside || path.size() == 1) path.clear();  // "/": the files stand in the root itself
  return path;
}

// A decimal number and a newline; "max" and whatever else is none.
std::size_t number_in(const char* path) noexcept {
  const File text = read_text(path);
  std::string_view rest(text.data(), text.size());
  std::uint64_t n = 0;
  const bool whole = take_number(rest, kNone, n) && (rest.empty() || rest[0] == '\n');
  return whole ? static_cast<std::size_t>(n) : kNone;
}

}  // namespace

std::size_t cgroup_bytes(const char* file, const CgroupPlace& place) noexcept {
  File path = group_path(place.membership);
  std::size_t least = kNone;
  for (;;) {
    File name;
    name.put(place.root).put(path.data(), path.size()).put("/").put(file);
    if (const std::size_t n = name.cut() ? kNone : number_in(name.c_str()); n < least) least = n;
    if (path.size() == 0) break;
    std::size_t parent = path.size() - 1;
    while (path.data()[parent] != '/') --parent;
    path.shorten(parent);
  }
  return least;
}

}  // namespace hakmem
