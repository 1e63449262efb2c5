#include "pal/vdso.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include <cstddef>
#include <cstdint>

namespace hakmem {
namespace {

// The tables of a loaded library, as its dynamic section names them.
struct Tables {
  const ElfW(Sym) * symbols = nullptr;
  const char* strings = nullptr;
  const std::uint32_t* hash = nullptr;      // DT_HASH
  const std::uint32_t* gnu_hash = nullptr;  // DT_GNU_HASH: newer kernels have only this
};

// One more than the highest symbol that the hash table leads to.
std::size_t symbol_count(const Tables& t) noexcept {
  if (t.hash != nullptr) return t.hash[1];
  if (t.gnu_hash == nullptr) return 0;
  const std::uint32_t buckets = t.gnu_hash[0], first = t.gnu_hash[1], words = t.gnu_hash[2];
  const std::uint32_t* const bucket = t.gnu_hash + 4 + words * (sizeof(ElfW(Addr)) / 4);
  const std::uint32_t* const chain = bucket + buckets;
  std::size_t count = 0;
  for (std::uint32_t b = 0; b < buckets; ++b) {
    if (bucket[b] < first) continue;
    std::size_t i = bucket[b];
    while ((chain[i - first] & 1) == 0) ++i;
    if (i + 1 > count) count = i + 1;
  }
  return count;
}

Tables tables_of(std::uintptr_t bias, const ElfW(Dyn) * dynamic) noexcept {
  Tables t;
  for (; dynamic->d_tag != DT_NULL; ++dynamic) {
    const std::uintptr_t at = bias + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_SYMTAB) t.symbols = reinterpret_cast<const ElfW(Sym)*>(at);
    if (dynamic->d_tag == DT_STRTAB) t.strings = reinterpret_cast<const char*>(at);
    if (dynamic->d_tag == DT_HASH) t.hash = reinterpret_cast<const std::uint32_t*>(at);
    if (dynamic->d_tag == DT_GNU_HASH) t.gnu_hash = reinterpret_cast<const std::uint32_t*>(at);
  }
  return t;
}

}  // namespace

void* find_in_vdso(const char* name) noexcept {
  const std::uintptr_t base = getauxval(AT_SYSINFO_EHDR);
  if (base == 0) return nullptr;
  const auto* const header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* const segments = reinterpret_cast<const ElfW(Phdr)*>(base + header->e_phoff);
  std::uintptr_t bias = base;
  const ElfW(Dyn)* dynamic = nullptr;
  for (int i = 0; i < header->e_phnum; ++i) {
    if (segments[i].p_type == PT_LOAD) bias = base + segments[i].p_offset - segments[i].p_vaddr;
    if (segments[i].p_type == PT_DYNAMIC) {
      dynamic = reinterpret_cast<const ElfW(Dyn)*>(base + segments[i].p_offset);
    }
  }
  if (dynamic == nullptr) return nullptr;
  const Tables t = tables_of(bias, dynamic);
  if (t.symbols == nullptr || t.strings == nullptr) return nullptr;
  for (std::size_t i = 0, n = symbol_count(t); i < n; ++i) {
    const bool defined = t.symbols[i].st_shndx != SHN_UNDEF;
    if (!defined || strcmp(t.strings + t.symbols[i].st_name, name) != 0) continue;
    return reinterpret_cast<void*>(bias + t.symbols[i].st_value);
  }
  return nullptr;
}

}  // namespace hakmem
