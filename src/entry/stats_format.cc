#include "entry/stats_format.h"

#include <cstddef>

#include "config/version.h"

namespace hakmem::heap {
namespace {

using PerClass = StatsV3::PerClass;

struct MemoryField {
  const char* name;
  const char* help;
  std::size_t (*value)(const MemoryStats&);
};

// In bytes. Names are those of struct hak_stats.
constexpr MemoryField kMemory[] = {
    {"allocated", "Blocks that the program holds",
     [](const MemoryStats& s) { return s.allocated(); }},
    {"active", "Pages that have a block out", [](const MemoryStats& s) { return s.active(); }},
    {"resident", "The most that may be backed by memory",
     [](const MemoryStats& s) { return s.resident(); }},
    {"mapped", "Address space in use for blocks", [](const MemoryStats& s) { return s.mapped(); }},
    {"retained", "Reserved address space that has never been used",
     [](const MemoryStats& s) { return s.retained; }},
    {"metadata", "Records apart from the blocks", [](const MemoryStats& s) { return s.metadata; }},
    {"small_allocated", "The part of allocated in pages and runs",
     [](const MemoryStats& s) { return s.small_allocated; }},
    {"small_mapped", "Superslabs and chunks of v1",
     [](const MemoryStats& s) { return s.small_mapped; }},
    {"small_idle", "Free pages that still have memory",
     [](const MemoryStats& s) { return s.small_idle; }},
    {"large_allocated", "The part of allocated with mappings of their own",
     [](const MemoryStats& s) { return s.large_allocated; }},
    {"large_mapped", "Mappings of large blocks, with guards, and cached ones",
     [](const MemoryStats& s) { return s.large_mapped; }},
    {"large_idle", "Cached mappings", [](const MemoryStats& s) { return s.large_idle; }},
};

struct ClassField {
  const char* name;
  const char* help;
  std::uint64_t PerClass::* value;
};

constexpr ClassField kOfClass[] = {
    {"route_hits", "Allocations routed to v3", &PerClass::route_hits},
    {"alloc_calls", "Allocations", &PerClass::alloc_calls},
    {"free_calls", "Frees", &PerClass::free_calls},
    {"alloc_refill", "Allocations for which a page was borrowed", &PerClass::alloc_refill},
    {"alloc_current_hit", "Allocations served without changing page", &PerClass::alloc_current_hit},
    {"alloc_partial_hit", "Allocations for which a partial page became current",
     &PerClass::alloc_partial_hit},
    {"alloc_ultra_hit", "Allocations served by the front cache", &PerClass::alloc_ultra_hit},
    {"alloc_fb_v1", "Allocations routed to v3 and served by v1", &PerClass::alloc_fb_v1},
    {"free_fb_v1", "Frees of blocks of v1", &PerClass::free_fb_v1},
    {"free_current", "Frees kept at hand", &PerClass::free_current},
    {"free_partial", "Frees to a page on the partial list", &PerClass::free_partial},
    {"free_retire", "Pages given back to the cold box", &PerClass::free_retire},
    {"free_remote", "Frees of blocks of another thread's page", &PerClass::free_remote},
};

struct TotalField {
  const char* name;
  const char* help;
  std::uint64_t StatsV3::* value;
};

constexpr TotalField kTotals[] = {
    {"page_of_fail", "Frees of pointers outside the pages of v3", &StatsV3::page_of_fail},
    {"large_alloc", "Allocations of large blocks", &StatsV3::large_alloc},
    {"large_free", "Frees of large blocks", &StatsV3::large_free},
};

bool has_calls(const PerClass& s) noexcept { return s.alloc_calls != 0 || s.free_calls != 0; }

// ---- text ---------------------------------------------------------------------------------------

void put_row(StatsText& t, const char* name, std::uint64_t value) noexcept {
  const std::size_t line = t.size();
  t.put("  ").put(name).pad(line, 22).number(value).put("\n");
}

void format_text(const StatsReport& report, StatsText& t) noexcept {
  t.put(kVersionText).put(" process ").number(report.process).put(", memory in bytes:\n");
  for (const MemoryField& f : kMemory) put_row(t, f.name, f.value(report.memory));
  put_row(t, "large_blocks", report.memory.large_blocks);
  if (!report.counting) return;
  for (const TotalField& f : kTotals) put_row(t, f.name, report.counters.*f.value);
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    const PerClass& s = report.counters.by_class[c];
    if (!has_calls(s)) continue;
    t.put("class C").number(c).put(":\n");
    for (const ClassField& f : kOfClass) put_row(t, f.name, s.*f.value);
  }
}

// ---- JSON ---------------------------------------------------------------------------------------

void put_member(StatsText& t, const char* name, std::uint64_t value) noexcept {
  t.put(",\"").put(name).put("\":").number(value);
}

void put_class_json(StatsText& t, std::size_t c, const PerClass& s) noexcept {
  t.put("{\"class\":").number(c);
  for (const ClassField& f : kOfClass) put_member(t, f.name, s.*f.value);
  t.put("}");
}

void format_json(const StatsReport& report, StatsText& t) noexcept {
  t.put("{\"version\":\"").put(kVersionText).put("\"");
  put_member(t, "process", report.process);
  for (const MemoryField& f : kMemory) put_member(t, f.name, f.value(report.memory));
  put_member(t, "large_blocks", report.memory.large_blocks);
  t.put(",\"counting\":").put(report.counting ? "true" : "false");
  if (report.counting) {
    for (const TotalField& f : kTotals) put_member(t, f.name, report.counters.*f.value);
    t.put(",\"classes\":[");
    const char* separator = "";
    for (std::size_t c = 0; c < kClassesMax; ++c) {
      if (!has_calls(report.counters.by_class[c])) continue;
      t.put(separator);
      put_class_json(t, c, report.counters.by_class[c]);
      separator = ",";
    }
    t.put("]");
  }
  t.put("}\n");
}

// ---- Prometheus ---------------------------------------------------------------------------------

struct Metric {
  const char* name;
  const char* unit;  // the end of its name
  const char* type;
  const char* help;
};

void put_name(StatsText& t, const Metric& m) noexcept { t.put("hakmem_").put(m.name).put(m.unit); }

void put_header(StatsText& t, const Metric& m) noexcept {
  t.put("# HELP ");
  put_name(t, m);
  t.put(" ").put(m.help).put(".\n# TYPE ");
  put_name(t, m);
  t.put(" ").put(m.type).put("\n");
}

void put_metric(StatsText& t, const Metric& m, std::uint64_t value) noexcept {
  put_header(t, m);
  put_name(t, m);
  t.put(" ").number(value).put("\n");
}

void put_class_counters(StatsText& t, const ClassField& f, const StatsV3& counters) noexcept {
  const Metric m{f.name, "_total", "counter", f.help};
  put_header(t, m);
  for (std::size_t c = 0; c < kClassesMax; ++c) {
    if (!has_calls(counters.by_class[c])) continue;
    put_name(t, m);
    t.put("{class=\"C").number(c).put("\"} ").number(counters.by_class[c].*f.value).put("\n");
  }
}

void format_prom(const StatsReport& report, StatsText& t) noexcept {
  const Metric info{"info", "", "gauge", "The allocator's version and flavour"};
  put_header(t, info);
  put_name(t, info);
  t.put("{version=\"").put(kVersionText).put("\"} 1\n");
  for (const MemoryField& f : kMemory) {
    put_metric(t, {f.name, "_bytes", "gauge", f.help}, f.value(report.memory));
  }
  put_metric(t, {"large_blocks", "", "gauge", "Large blocks that the program holds"},
             report.memory.large_blocks);
  if (!report.counting) return;
  for (const TotalField& f : kTotals) {
    put_metric(t, {f.name, "_total", "counter", f.help}, report.counters.*f.value);
  }
  for (const ClassField& f : kOfClass) put_class_counters(t, f, report.counters);
}

}  // namespace

void format_stats(StatsFormat format, const StatsReport& report, StatsText& text) noexcept {
  text.clear();
  switch (format) {
    case StatsFormat::kJson:
      return format_json(report, text);
    case StatsFormat::kProm:
      return format_prom(report, text);
    case StatsFormat::kText:
    case StatsFormat::kNone:
      break;
  }
  format_text(report, text);
}

}  // namespace hakmem::heap
