// Objects with trailing storage are allocated larger than their type and deleted with its size;
// and a base is deleted as what it is. Many programs do it: no abort.
#include <cstddef>
#include <cstring>
#include <new>

namespace {
struct Message {
  std::size_t length;
  char text[1];
  static Message* make(const char* from) {
    const std::size_t n = std::strlen(from);
    auto* const made = new (::operator new(sizeof(Message) + n)) Message;
    made->length = n;
    std::memcpy(made->text, from, n + 1);
    return made;
  }
};
}  // namespace

int main() {
  char text[3000];
  for (std::size_t n = 1; n < sizeof text; n = n * 2 + 1) {
    std::memset(text, 'x', n);
    text[n] = 0;
    Message* volatile message = Message::make(text);
    delete message;
  }
  return 0;
}
