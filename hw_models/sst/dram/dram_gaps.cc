#include "dram_gaps.h"

#include <algorithm>

namespace moecosim {

static void put_off(Tick& next, Tick until) { next = std::max(next, until); }

DramGaps::DramGaps(const DramRules& rules)
    : rules_(rules),
      banks_(rules.banks()),
      groups_(rules.banks() / rules.banks_per_group),
      scopes_(rules.scopes()),
      length_{rules.activate_ticks, rules.other_ticks, rules.column_ticks, rules.column_ticks} {
    for (uint32_t bank = 0; bank < banks_.size(); ++bank) {
        banks_[bank].scope = bank / rules.banks_per_scope();
        banks_[bank].group = bank / rules.banks_per_group;
        banks_[bank].rank = bank / rules.banks_per_rank() % rules.ranks;
    }
}

Tick DramGaps::on_bus(DramCommand command, Tick start) const {
    const bool is_column = command == DramCommand::read || command == DramCommand::write;
    start = std::max(start, bus_free_[is_column && rules_.command_buses == 2 ? 1 : 0]);
    if (command == DramCommand::precharge || rules_.ticks_per_clock == 1) return start;
    return (start + 1) & ~Tick(1);  // on a whole clock
}

void DramGaps::take_bus(bool is_column, Tick start, uint32_t ticks) {
    bus_free_[is_column && rules_.command_buses == 2 ? 1 : 0] = start + ticks;
}

bool DramGaps::data_clock_stopped(uint32_t scope, Tick start) const {
    return rules_.has_data_clock && start > scopes_[scope].data_clock_until;
}

Tick DramGaps::earliest(DramCommand command, uint32_t bank, Tick now) const {
    const auto index = uint32_t(command);
    const Bank& own = banks_[bank];
    const Scope& scope = scopes_[own.scope];
    Tick end = std::max(std::max(own.next[index], scope.next[index]), groups_[own.group].next[index]);
    if (command == DramCommand::activate) end = std::max(end, scope.activates[scope.oldest]);
    if (command == DramCommand::read && scope.last_rank != own.rank) end = std::max(end, scope.other_rank_read);
    const Tick ticks = length(command) - 1;
    Tick start = on_bus(command, std::max(now, end > ticks ? end - ticks : 0));
    const bool is_column = command == DramCommand::read || command == DramCommand::write;
    if (is_column && data_clock_stopped(own.scope, start)) start += rules_.other_ticks;
    return start;
}

Tick DramGaps::earliest_precharge(uint32_t first, uint32_t count, Tick now) const {
    Tick start = now;
    for (uint32_t bank = first; bank < first + count; ++bank)
        if (banks_[bank].row != CLOSED) start = std::max(start, earliest(DramCommand::precharge, bank, now));
    return start;
}

Tick DramGaps::earliest_refresh(uint32_t first, uint32_t count, Tick now) const {
    Tick start = now;
    for (uint32_t bank = first; bank < first + count; ++bank)
        start = std::max(start, banks_[bank].next[uint32_t(DramCommand::activate)]);
    return on_bus(DramCommand::precharge, start);
}

bool DramGaps::is_closed(uint32_t first, uint32_t count) const {
    return std::all_of(banks_.begin() + first, banks_.begin() + first + count,
                       [](const Bank& bank) { return bank.row == CLOSED; });
}

Tick DramGaps::give(DramCommand command, uint32_t bank, uint32_t row, Tick start) {
    const Tick at = start + length(command) - 1;
    const bool is_column = command == DramCommand::read || command == DramCommand::write;
    take_bus(is_column, start, length(command));
    switch (command) {
        case DramCommand::activate:
            banks_[bank].row = row;
            follow_activate(bank, at);
            return at;
        case DramCommand::precharge:
            follow_precharge(bank, at, rules_.tRP);
            return at;
        default: break;
    }
    const bool is_write = command == DramCommand::write;
    follow_column(bank, is_write, at);
    const Tick end = at + (is_write ? rules_.tCWL : rules_.tCL) + rules_.burst;
    scopes_[scope_of(bank)].data_clock_until = end + rules_.tWCKPST;
    return end;
}

void DramGaps::follow_activate(uint32_t bank, Tick at) {
    Bank& own = banks_[bank];
    put_off(own.next[uint32_t(DramCommand::activate)], at + rules_.tRC);
    put_off(own.next[uint32_t(DramCommand::precharge)], at + rules_.tRAS);
    put_off(own.next[uint32_t(DramCommand::read)], at + rules_.tRCD);
    put_off(own.next[uint32_t(DramCommand::write)], at + rules_.tRCD_WR);
    put_off(groups_[own.group].next[uint32_t(DramCommand::activate)], at + rules_.tRRD_L);
    Scope& scope = scopes_[scope_of(bank)];
    put_off(scope.next[uint32_t(DramCommand::activate)], at + rules_.tRRD_S);
    scope.activates[scope.oldest] = at + rules_.tFAW;
    scope.oldest = (scope.oldest + 1) % 4;
}

void DramGaps::follow_column(uint32_t bank, bool is_write, Tick at) {
    const auto read = uint32_t(DramCommand::read), write = uint32_t(DramCommand::write);
    Bank& own = banks_[bank];
    Group& group = groups_[own.group];
    const uint32_t number = scope_of(bank);
    Scope& scope = scopes_[number];
    const uint32_t data = rules_.tCWL + rules_.burst;
    if (is_write) {
        put_off(own.next[uint32_t(DramCommand::precharge)], at + data + rules_.tWR);
        put_off(group.next[write], at + rules_.tCCD_L_WR);
        put_off(group.next[read], at + rules_.tCWL + rules_.tBURST_L + rules_.tWTR_L);
        put_off(scope.next[write], at + rules_.tCCD_S_WR);
        put_off(scope.next[read], at + data + rules_.tWTR_S);
    } else {
        put_off(own.next[uint32_t(DramCommand::precharge)], at + rules_.tRTP);
        put_off(group.next[read], at + rules_.tCCD_L);
        put_off(scope.next[read], at + rules_.tCCD_S);
        put_off(scope.next[write], at + rules_.tRTW);
        scope.last_rank = own.rank;
        scope.other_rank_read = at + std::max(rules_.tCCD_R, rules_.tCCD_S);
    }
    if (!rules_.is_rank_scope) return;
    // Ranks of one pseudo-channel share its data bus: the next burst begins tCS after this one's end.
    const Tick end = at + (is_write ? data : rules_.tCL + rules_.burst) + rules_.tCS;
    const uint32_t first = number / rules_.ranks * rules_.ranks;
    for (uint32_t other = first; other < first + rules_.ranks; ++other) {
        if (other == number) continue;
        put_off(scopes_[other].next[read], end > rules_.tCL ? end - rules_.tCL : 0);
        put_off(scopes_[other].next[write], end > rules_.tCWL ? end - rules_.tCWL : 0);
    }
}

void DramGaps::follow_precharge(uint32_t bank, Tick at, uint32_t gap) {
    banks_[bank].row = CLOSED;
    put_off(banks_[bank].next[uint32_t(DramCommand::activate)], at + gap);
    put_off(scopes_[scope_of(bank)].next[uint32_t(DramCommand::precharge)], at + rules_.tPPD);
}

void DramGaps::precharge(uint32_t first, uint32_t count, Tick start) {
    take_bus(false, start, rules_.other_ticks);
    const Tick at = start + rules_.other_ticks - 1;
    for (uint32_t bank = first; bank < first + count; ++bank) follow_precharge(bank, at, rules_.tRPab);
}

void DramGaps::refresh(uint32_t first, uint32_t count, Tick start) {
    take_bus(false, start, rules_.other_ticks);
    const Tick at = start + rules_.other_ticks - 1;
    const auto activate = uint32_t(DramCommand::activate);
    const bool is_single = rules_.refresh == DramRules::Refresh::per_bank;
    for (uint32_t bank = first; bank < first + count; ++bank)
        put_off(banks_[bank].next[activate], at + (is_single ? rules_.tRFCpb : rules_.tRFC));
    if (is_single) put_off(scopes_[scope_of(first)].next[activate], at + rules_.tRREFD);
}

void DramGaps::was_refreshed(uint32_t first, uint32_t count, Tick end) {
    for (uint32_t bank = first; bank < first + count; ++bank) {
        banks_[bank].row = CLOSED;
        put_off(banks_[bank].next[uint32_t(DramCommand::activate)], end);
    }
}

}  // namespace moecosim
