// EXPECT: OK
// EXPECT-LINE: ^hakmem: warning: size-mismatch: operator delete\(0x[0-9a-f]+\): stated 40 bytes of a block of 448; .*HAKMEM_SIZED_DELETE=abort
// EXPECT-LINE: (?s)\A(?!.*warning.*warning)
// An object with more bytes behind it than its type has, deleted as its type: told once, and freed.
#include <malloc.h>

#include "misuse.h"

struct Message {
  std::size_t length;
  char text[32];
};

Message* make(std::size_t length) { return new (::operator new(sizeof(Message) + length)) Message; }

int main() {
  void* const first = make(400);
  delete static_cast<Message*>(first);
  for (int i = 0; i < 1000; ++i) delete make(400 + i);
  struct alignas(64) Wide {
    char text[64];
  };
  delete new (::operator new(500, std::align_val_t{64})) Wide;
  return make(400) == nullptr;
}
