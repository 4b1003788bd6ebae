#include "dram_channel.h"

#include <algorithm>

namespace moecosim {

static void forget(std::vector<uint32_t>& list, uint32_t value) {
    *std::find(list.begin(), list.end(), value) = list.back();
    list.pop_back();
}

DramChannel::DramChannel(const DramRules& rules)
    : rules_(rules), gaps_(rules), banks_(rules.banks()), scopes_(rules.scopes()) {
    if (rules.refresh == DramRules::Refresh::off) return;
    refresh_gap_ = rules.refresh == DramRules::Refresh::all_bank ? rules.tREFI : rules.tREFIpb;
    for (Scope& scope : scopes_) scope.due = refresh_gap_;
}

bool DramChannel::has_room(bool is_write) const {
    return is_write ? waiting_[writes] - owners_[writes] < rules_.write_queue
                    : waiting_[reads] - owners_[reads] < rules_.read_queue;
}

void DramChannel::enqueue(uint32_t tag, uint32_t bank, uint32_t row, bool is_write, Tick now) {
    if (waiting_[reads] + waiting_[writes] == 0) catch_up(now);
    const Kind kind = is_write ? writes : reads;
    std::vector<Entry>& queue = banks_[bank].waiting[kind];
    if (queue.empty()) active_[kind].push_back(bank);
    // One that is no hit leaves `hit` behind the end where there was none.
    if (banks_[bank].hit[kind] == queue.size() && row != gaps_.open_row(bank)) ++banks_[bank].hit[kind];
    queue.push_back({++ages_, row, tag});
    is_planned_ = false;
    ++waiting_[kind];
}

// Refreshes that were due while nothing waited have happened; the last may be under way, of single banks several.
void DramChannel::catch_up(Tick now) {
    for (uint32_t number = 0; number < scopes_.size(); ++number) {
        Scope& scope = scopes_[number];
        if (scope.due >= now) continue;
        const Tick missed = (now - 1 - scope.due) / refresh_gap_ + 1;
        const Tick last = scope.due + (missed - 1) * refresh_gap_;
        if (scope.is_pending) --pending_;
        scope.is_pending = false;
        scope.due = last + refresh_gap_;
        const uint32_t first = number * rules_.banks_per_scope();
        if (rules_.refresh == DramRules::Refresh::all_bank) {
            gaps_.was_refreshed(first, rules_.banks_per_scope(), last + rules_.tRPab + rules_.tRFC);
            continue;
        }
        const auto banks = uint32_t(std::min<Tick>(missed, rules_.banks_per_scope()));
        scope.next_bank = uint32_t((scope.next_bank + missed) % rules_.banks_per_scope());
        for (uint32_t back = 0; back < banks; ++back) {
            const uint32_t bank = (scope.next_bank + rules_.banks_per_scope() - 1 - back) % rules_.banks_per_scope();
            gaps_.was_refreshed(first + bank, 1, last - back * refresh_gap_ + rules_.tRP + rules_.tRFCpb);
        }
    }
}

void DramChannel::choose_mode() {
    const uint32_t writing = waiting_[writes], reading = waiting_[reads];
    if (is_draining_)
        is_draining_ = writing > 0 && (reading == 0 || writing >= rules_.drain_to * rules_.write_queue);
    else
        is_draining_ = writing > 0 && (reading == 0 || writing > rules_.drain_from * rules_.write_queue);
}

Tick DramChannel::plan(Tick now) {
    if (is_planned_ && now <= choice_.start && now < due_) return std::min(choice_.start, due_);
    choice_ = Choice();
    is_planned_ = true;
    if (waiting_[reads] + waiting_[writes] == 0) return NEVER;
    choose_mode();
    due_ = NEVER;
    for (uint32_t scope = 0; scope < scopes_.size(); ++scope) {
        if (scopes_[scope].due <= now && !scopes_[scope].is_pending) {
            scopes_[scope].is_pending = true;
            ++pending_;
        }
        if (scopes_[scope].is_pending)
            consider_refresh(scope, now);
        else
            due_ = std::min(due_, scopes_[scope].due);
    }
    const Kind kind = is_draining_ ? writes : reads;
    for (const uint32_t bank : active_[kind]) consider(bank, kind, now);
    for (const uint32_t bank : owned_)
        if (banks_[bank].owner_kind != kind) consider_owner(bank, now);
    return std::min(choice_.start, due_);
}

void DramChannel::consider_refresh(uint32_t scope, Tick now) {
    const uint32_t first = refresh_first(scope), count = refresh_count();
    if (gaps_.is_closed(first, count))
        offer(gaps_.earliest_refresh(first, count, now), 0, Act::refresh, scope);
    else
        offer(gaps_.earliest_precharge(first, count, now), 0, Act::precharge_for_refresh, scope);
}

void DramChannel::consider(uint32_t bank, Kind kind, Tick now) {
    if (is_held_by_refresh(bank)) return;
    const std::vector<Entry>& queue = banks_[bank].waiting[kind];
    const int64_t open = gaps_.open_row(bank);
    if (open == DramGaps::CLOSED) {
        offer(DramCommand::activate, bank, kind, 0, now);
        return;
    }
    const uint32_t hit = banks_[bank].hit[kind];
    if (hit < queue.size()) offer(kind == writes ? DramCommand::write : DramCommand::read, bank, kind, hit, now);
    if (hit > 0 && banks_[bank].owner == 0) offer(DramCommand::precharge, bank, kind, 0, now);
}

void DramChannel::find_hit(uint32_t bank, Kind kind) {
    const std::vector<Entry>& queue = banks_[bank].waiting[kind];
    const int64_t open = gaps_.open_row(bank);
    uint32_t& hit = banks_[bank].hit[kind];
    for (hit = 0; hit < queue.size() && queue[hit].row != open; ++hit) {
    }
}

void DramChannel::consider_owner(uint32_t bank, Tick now) {
    if (is_held_by_refresh(bank)) return;
    const Kind kind = banks_[bank].owner_kind;
    const std::vector<Entry>& queue = banks_[bank].waiting[kind];
    uint32_t index = 0;
    while (queue[index].age != banks_[bank].owner) ++index;
    offer(kind == writes ? DramCommand::write : DramCommand::read, bank, kind, index, now);
}

void DramChannel::offer(DramCommand command, uint32_t bank, Kind kind, uint32_t index, Tick now) {
    const Tick start = gaps_.earliest(command, bank, now);
    const uint64_t age = banks_[bank].waiting[kind][index].age;
    if (start > choice_.start || (start == choice_.start && age >= choice_.age)) return;
    choice_ = {start, age, Act::command, command, bank, kind, index};
}

void DramChannel::offer(Tick start, uint64_t age, Act act, uint32_t scope) {
    if (start < choice_.start || (start == choice_.start && age < choice_.age))
        choice_ = {start, age, act, DramCommand::precharge, scope, reads, 0};
}

bool DramChannel::is_held_by_refresh(uint32_t bank) const {
    if (pending_ == 0) return false;
    const uint32_t scope = gaps_.scope_of(bank);
    if (!scopes_[scope].is_pending) return false;
    const uint32_t first = refresh_first(scope);
    return bank >= first && bank < first + refresh_count();
}

uint32_t DramChannel::refresh_first(uint32_t scope) const {
    return scope * rules_.banks_per_scope() + scopes_[scope].next_bank;
}

uint32_t DramChannel::refresh_count() const {
    return rules_.refresh == DramRules::Refresh::all_bank ? rules_.banks_per_scope() : 1;
}

bool DramChannel::give(Served& served) {
    const Choice choice = choice_;
    is_planned_ = false;
    if (choice.act != Act::command) {
        const uint32_t first = refresh_first(choice.bank), count = refresh_count();
        if (choice.act == Act::precharge_for_refresh) {
            for (uint32_t bank = first; bank < first + count; ++bank) disown(bank);
            gaps_.precharge(first, count, choice.start);
            for (uint32_t bank = first; bank < first + count; ++bank) find_hit(bank, reads), find_hit(bank, writes);
            return false;
        }
        gaps_.refresh(first, count, choice.start);
        Scope& scope = scopes_[choice.bank];
        scope.is_pending = false;
        --pending_;
        scope.due += refresh_gap_;
        if (rules_.refresh == DramRules::Refresh::per_bank)
            scope.next_bank = (scope.next_bank + 1) % rules_.banks_per_scope();
        return false;
    }
    const Entry entry = banks_[choice.bank].waiting[choice.kind][choice.index];
    const Tick end = gaps_.give(choice.command, choice.bank, entry.row, choice.start);
    if (choice.command == DramCommand::activate) {
        ++activates_;
        banks_[choice.bank].owner = entry.age;
        banks_[choice.bank].owner_kind = choice.kind;
        owned_.push_back(choice.bank);
        ++owners_[choice.kind];
    }
    if (choice.command == DramCommand::activate || choice.command == DramCommand::precharge) {
        find_hit(choice.bank, reads);
        find_hit(choice.bank, writes);
        return false;
    }
    serve(choice.bank, choice.kind, choice.index);
    served = {entry.tag, choice.kind == writes, end};
    return true;
}

void DramChannel::serve(uint32_t bank, Kind kind, uint32_t index) {
    std::vector<Entry>& queue = banks_[bank].waiting[kind];
    if (queue[index].age == banks_[bank].owner) disown(bank);
    queue.erase(queue.begin() + index);
    find_hit(bank, kind);
    if (queue.empty()) forget(active_[kind], bank);
    --waiting_[kind];
}

void DramChannel::disown(uint32_t bank) {
    if (banks_[bank].owner == 0) return;
    banks_[bank].owner = 0;
    --owners_[banks_[bank].owner_kind];
    forget(owned_, bank);
}

}  // namespace moecosim
