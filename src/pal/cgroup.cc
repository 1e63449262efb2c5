#include "pal/cgroup.h"

#include <string.h>

#include <cstdint>

#include "pal/system_call.h"

namespace hakmem {
namespace {

constexpr std::size_t kNone = ~std::size_t{0};

struct Text {
  char bytes[4096];
  std::size_t length = 0;

  // False when it does not fit; then nothing was added.
  bool add(const char* text, std::size_t n) noexcept {
    if (n >= sizeof bytes - length) return false;
    memcpy(bytes + length, text, n);
    length += n;
    bytes[length] = '\0';
    return true;
  }
  bool add(const char* text) noexcept { return add(text, strlen(text)); }
};

// The start of the file, as far as there is room for it.
Text read_text(const char* path) noexcept {
  Text text;
  text.bytes[0] = '\0';
  sys::read_file(path, [&](const char* piece, std::size_t n) {
    const std::size_t room = sizeof text.bytes - 1 - text.length;
    text.add(piece, n < room ? n : room);
  });
  return text;
}

// The group's path, "" when there is none or it lies outside of what this process can see.
Text group_path(const char* membership) noexcept {
  const Text lines = read_text(membership);
  Text path;
  path.bytes[0] = '\0';
  for (const char* line = lines.bytes; *line != '\0';) {
    const char* const end = strchrnul(line, '\n');
    if (strncmp(line, "0::", 3) == 0) path.add(line + 3, static_cast<std::size_t>(end - line - 3));
    line = *end == '\0' ? end : end + 1;
  }
  const bool inside = path.bytes[0] == '/' && strstr(path.bytes, "/..") == nullptr;
  if (!inside) path.length = 0;
  if (path.length == 1) path.length = 0;  // "/": the files stand in the root itself
  path.bytes[path.length] = '\0';
  return path;
}

// A decimal number and a newline; "max" and whatever else is none.
std::size_t number_in(const char* path) noexcept {
  const Text text = read_text(path);
  std::size_t n = 0;
  const char* p = text.bytes;
  for (; *p >= '0' && *p <= '9'; ++p) {
    const auto digit = static_cast<std::size_t>(*p - '0');
    if (n > (kNone - digit) / 10) return kNone;
    n = n * 10 + digit;
  }
  const bool whole = p != text.bytes && (*p == '\n' || *p == '\0');
  return whole ? n : kNone;
}

}  // namespace

std::size_t cgroup_bytes(const char* file, const CgroupPlace& place) noexcept {
  const Text path = group_path(place.membership);
  std::size_t least = kNone;
  for (std::size_t length = path.length;;) {
    Text name;
    if (name.add(place.root) && name.add(path.bytes, length) && name.add("/") && name.add(file)) {
      const std::size_t n = number_in(name.bytes);
      if (n < least) least = n;
    }
    if (length == 0) break;
    while (path.bytes[--length] != '/') {
    }
  }
  return least;
}

}  // namespace hakmem
