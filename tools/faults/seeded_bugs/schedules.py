"""Faults of concurrency and of what the system does, for the models that choose the schedule (models/schedule/).

All of them are in one copy of the sources: where BUG stands, is HAKMEM_SEEDED_BUG's number this fault's? A fault is (what, edits);
an edit is (file, text, text with the fault).
"""
FAULTS = [
    ('no second look after the lock, and nobody asks what a slot was', [
        ('src/heap/freeing.h', '    claim(ctx, page, slot, call);\n', '    if (!BUG) claim(ctx, page, slot, call);\n'),
        ('src/heap/freeing.h', 'if (HAKMEM_UNLIKELY(!still_mine))', 'if (HAKMEM_UNLIKELY(!still_mine && !BUG))'),
        ('src/page/freelist.h', 'if (HAKMEM_UNLIKELY(!is_out)) {', 'if (HAKMEM_UNLIKELY(!is_out && !BUG)) {'),
        ('src/page/freelist.h', '!= kEntryFree)) {\n      report_raced_double_free(page, slot, "take");', '!= kEntryFree && !BUG)) {\n      report_raced_double_free(page, slot, "take");'),
        ('src/hot/hot_box.h', '        if (HAKMEM_UNLIKELY(entry_kind(entry) != kEntryFree)) {', '        if (HAKMEM_UNLIKELY(entry_kind(entry) != kEntryFree && !BUG)) {'),
        ('src/heap/faults.h', 'if (HAKMEM_UNLIKELY(!mine)) report', 'if (HAKMEM_UNLIKELY(!mine && !BUG)) report')]),
    ('a remote free looks, then stores', [
        ('src/remote/remote_box.h', '    return page.entries[slot].cas_relaxed(entry, link);\n',
         '    if (BUG) {\n      if (page.entries[slot].load_relaxed() != kEntryLive) return false;\n'
         '      page.entries[slot].store_relaxed(link);\n      return true;\n    }\n'
         '    return page.entries[slot].cas_relaxed(entry, link);\n')]),
    ('a page is posted without release', [
        ('src/remote/remote_box.h', 'while (!pending.head.cas_weak_release_relaxed(first, unit))',
         'while (!(BUG ? pending.head.cas_relaxed(first, unit) : pending.head.cas_weak_release_relaxed(first, unit)))')]),
    ('a slot is posted without release', [
        ('src/remote/remote_box.h', '!page.remote_head.cas_weak_release_relaxed(head, slot);)',
         '!(BUG ? page.remote_head.cas_relaxed(head, slot) : page.remote_head.cas_weak_release_relaxed(head, slot));)')]),
    ('the link of a pending page is read after its stack was taken', [
        ('src/remote/remote_box.h', '    unit = page.next_pending.load_relaxed();',
         '    const std::uint32_t itself = unit;\n    if (!BUG) unit = page.next_pending.load_relaxed();'),
        ('src/remote/remote_box.h', '    for (std::uint32_t n = 0; slot != kNoSlot; ++n) {',
         '    if (BUG) unit = arena.page(itself).next_pending.load_relaxed();\n    for (std::uint32_t n = 0; slot != kNoSlot; ++n) {')]),
    ('a page is given back before its owner is taken off it', [
        ('src/cold/cold_box.h', '    records_.set_owner(page, {});\n    take_back(page, used_in);\n',
         '    if (BUG) return take_back(page, used_in), records_.set_owner(page, {});\n'
         '    records_.set_owner(page, {});\n    take_back(page, used_in);\n')]),
    ('pages that are being purged can be lent', [
        ('src/cold/cold_box.h', '      if (pages != 0) batch.add(table_.withdraw(i, pages));\n      if (table_[i].warm_pages != 0) table_.look_later(i);\n    }\n    return left;',
         '      if (pages != 0) batch.add(table_.withdraw(i, pages));\n      if (BUG && pages != 0) table_.restore(batch.purges[batch.size - 1]);\n'
         '      if (table_[i].warm_pages != 0) table_.look_later(i);\n    }\n    return left;')]),
    ('a superslab is committed with the lock held', [
        ('src/cold/cold_box.h', '      lock_.unlock();\n      committed = source_.commit(i, options_);\n      lock_.lock();\n',
         '      if (!BUG) lock_.unlock();\n      committed = source_.commit(i, options_);\n      if (!BUG) lock_.lock();\n')]),
    ('a superslab is copied without the lock', [
        ('src/cold/cold_box.h', '  Superslab copy_of(std::uint32_t i) noexcept {\n',
         '  Superslab copy_of(std::uint32_t i) noexcept HAKMEM_UNCHECKED {\n    if (BUG) return table_[i];\n')]),
    ('a page is set up for two borrowers at once', [
        ('src/cold/cold_box.h', '    const std::uint32_t k = table_.lend(i);\n',
         '    if (BUG) {\n      lock_.unlock();\n      platform_->clock_ms();\n      lock_.lock();\n    }\n    const std::uint32_t k = table_.lend(i);\n')]),
    ('the wake of a lock is lost', [
        ('src/pal/lock.h', 'if (before == kContended) C::Platform', 'if (before == kContended && !BUG) C::Platform')]),
    ('who has slept takes the lock as if nobody else did', [
        ('src/pal/lock.h', 'while (state_.exchange_acquire(kContended) != kFree)',
         'while (state_.exchange_acquire(BUG ? kHeld : kContended) != kFree)')]),
    ('a lock is let go of without release', [
        ('src/pal/lock.h', '= state_.exchange_release(kFree);', '= BUG ? state_.exchange_relaxed(kFree) : state_.exchange_release(kFree);')]),
    ("a fork's child keeps a lock", [
        ('src/heap/fork_control.h', '    boxes_.large.unlock();\n    boxes_.v1.unlock();\n    boxes_.cold.unlock_after_fork();',
         '    boxes_.large.unlock();\n    boxes_.v1.unlock();\n    if (!BUG) boxes_.cold.unlock_after_fork();')]),
    ('a free half sent at the time of a fork is left so', [
        ('src/heap/fork_control.h', 'if (owner != nullptr) repair_posts(', 'if (owner != nullptr && !BUG) repair_posts(')]),
    ('a fork does not wait for the contexts', [
        ('src/heap/context_registry.h', '[](Ctx& ctx) HAKMEM_UNCHECKED { ctx.lock.lock(); }', '[](Ctx& ctx) HAKMEM_UNCHECKED { if (!BUG) ctx.lock.lock(); }')]),
    ('a visitor flushes magazines', [
        ('src/heap/maintenance.h', '      returns_.drain(ctx);\n      returns_.retire_empty_pages(ctx);\n    });',
         '      returns_.drain(ctx);\n      if (BUG) returns_.flush_all(ctx);\n      returns_.retire_empty_pages(ctx);\n    });')]),
    ('a visitor does not take the lock of the context', [
        ('src/heap/context_registry.h', '      if (!ctx.lock.try_lock()) return;\n      if (!ctx.lost) {\n        work(ctx);\n        leave(ctx);\n      }\n      ctx.lock.unlock();',
         '      const bool got = ctx.lock.try_lock();\n      if (!got && !BUG) return;\n      if (!ctx.lost) {\n        work(ctx);\n        leave(ctx);\n      }\n      if (got) ctx.lock.unlock();')]),
    ('a page is purged for its owner though it has another by now', [
        ('src/heap/maintenance.h', 'const std::size_t bytes = still_lent ?', 'const std::size_t bytes = (still_lent || BUG) ?')]),
    ('a context is parked by one and taken by another without the lock', [
        ('src/heap/context_registry.h', '  Ctx* attach() noexcept {\n',
         '  Ctx* attach() noexcept HAKMEM_UNCHECKED {\n    if (BUG && parked_ != nullptr) {\n      Ctx* const found = parked_;\n'
         '      platform_->clock_ms();\n      parked_ = found->next_parked;\n      parked_count_.store_relaxed(parked() - 1);\n'
         '      found->next_parked = nullptr;\n      found->state = ContextState::kActive;\n      return found;\n    }\n')]),
    ('a context is shown before it is made', [
        ('src/heap/context_registry.h', '    char* const memory = memory_ + i * kStride;\n',
         '    if (BUG) created_.store_release(i + 1);\n    char* const memory = memory_ + i * kStride;\n')]),
    ('a called context may be called again before its link was read', [
        ('src/heap/context_queue.h', '      ctx = called.next_called.load_acquire();',
         '      if (BUG) called.called.exchange_acquire(0);\n      ctx = called.next_called.load_acquire();')]),
    ('a policy is published without release', [
        ('src/policy/policy_box.h', '    current_.store_release(&node->snapshot);',
         '    if (BUG)\n      current_.store_relaxed(&node->snapshot);\n    else\n      current_.store_release(&node->snapshot);')]),
    ('two learners at once', [
        ('src/learn/learn_box.h', '    if (!lock_.try_lock()) return;\n    const std::uint32_t periods', '    const bool got = lock_.try_lock();\n    if (!got && !BUG) return;\n    const std::uint32_t periods'),
        ('src/learn/learn_box.h', '    lock_.unlock();\n  }\n\n  void lock_for_fork', '    if (got) lock_.unlock();\n  }\n\n  void lock_for_fork')]),
    ('v1 allocates without its lock', [
        ('src/v1/v1_heap.h', '  void* allocate(BinIndex bin) noexcept {\n',
         '  void* allocate(BinIndex bin) noexcept HAKMEM_UNCHECKED {\n    if (BUG) return TinyHeap<C>::serves(bin) ? tiny_.take(bin) : pool_.take(bin);\n')]),
    ('a large block is unmapped with the lock held', [
        ('src/large/large_heap.h', '        out = withdraw(block);\n', '        out = withdraw(block);\n        if (BUG) platform_->purge(out.block(), out.length);\n')]),
    ('a large extent is found, and taken after the lock was let go of', [
        ('src/large/large_heap.h', '        const Extent whole = map_.remove(found);\n',
         '        if (BUG) {\n          lock_.unlock();\n          platform_->clock_ms();\n          lock_.lock();\n        }\n        const Extent whole = map_.remove(found);\n')]),
    ('a block is moved while it is in the registry', [
        ('src/large/large_heap_slow.h', '  return {Step::kTakenOut, map_.take_out(record), {}, 0};', '  return {Step::kTakenOut, BUG ? *record : map_.take_out(record), {}, 0};')]),
    ('statistics walk pages without the lock', [
        ('src/cold/cold_box.h', '  bool try_lock() noexcept HAKMEM_TRY_ACQUIRE(true, lock_) { return lock_.try_lock(); }\n  void lock() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }\n  void unlock() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }',
         '  bool try_lock() noexcept HAKMEM_UNCHECKED { return BUG || lock_.try_lock(); }\n  void lock() noexcept HAKMEM_UNCHECKED { if (!BUG) lock_.lock(); }\n  void unlock() noexcept HAKMEM_UNCHECKED { if (!BUG) lock_.unlock(); }')]),
]


def put_into(tree, choice):
    """Changes the copy. `choice`: the header that knows which fault was chosen."""
    files = set()
    for number, (what, edits) in enumerate(FAULTS):
        for file, text, bug in edits:
            path = tree / file
            source = path.read_text()
            if source.count(text) != 1:
                raise SystemExit(f'{number}. {what}: its place in {file} is gone, or not the only one')
            path.write_text(source.replace(text, bug.replace('BUG', f'(::hakmem::kSeededBug == {number})')))
            files.add(file)
    (tree / 'src/base/seeded_bug.h').write_text(choice)
    for file in files:
        path = tree / file
        path.write_text(path.read_text().replace('#pragma once\n', '#pragma once\n#include "base/seeded_bug.h"\n', 1))
