#ifndef MOECOSIM_DRAM_GAPS_H
#define MOECOSIM_DRAM_GAPS_H

#include <cstdint>
#include <vector>

#include "dram_rules.h"

namespace moecosim {

enum class DramCommand : uint32_t { activate, precharge, read, write };

// The state of a channel's banks, and when the next command to each may start. A gap counts from the
// last tick of one command to the last of the next, as the standards' diagrams draw it.
class DramGaps {
public:
    static constexpr int64_t CLOSED = -1;

    explicit DramGaps(const DramRules& rules);

    int64_t open_row(uint32_t bank) const { return banks_[bank].row; }
    uint32_t scope_of(uint32_t bank) const { return banks_[bank].scope; }

    // The first tick, from `now` on, at which it may be given.
    Tick earliest(DramCommand command, uint32_t bank, Tick now) const;
    // Of a precharge of all banks of a range together (`others` its commands' bus aside), and of its refresh.
    Tick earliest_precharge(uint32_t first, uint32_t count, Tick now) const;
    Tick earliest_refresh(uint32_t first, uint32_t count, Tick now) const;
    bool is_closed(uint32_t first, uint32_t count) const;

    // Gives the command; the answer is when its data has been transferred (of reads and writes).
    Tick give(DramCommand command, uint32_t bank, uint32_t row, Tick start);
    void precharge(uint32_t first, uint32_t count, Tick start);
    void refresh(uint32_t first, uint32_t count, Tick start);
    // A refresh of these banks that happened while nobody looked, and ends at `end`.
    void was_refreshed(uint32_t first, uint32_t count, Tick end);

private:
    static constexpr uint32_t COMMANDS = 4;

    struct Bank {
        uint32_t scope, group, rank;
        int64_t row = CLOSED;
        Tick next[COMMANDS] = {};
    };
    struct Group {
        Tick next[COMMANDS] = {};
    };
    struct Scope {
        Tick next[COMMANDS] = {};
        Tick activates[4] = {};  // the last four, oldest at `oldest`
        uint32_t oldest = 0;
        uint32_t last_rank = UINT32_MAX;  // that was read
        Tick other_rank_read = 0;
        Tick data_clock_until = 0;
    };

    uint32_t length(DramCommand command) const { return length_[uint32_t(command)]; }
    Tick on_bus(DramCommand command, Tick start) const;
    void take_bus(bool is_column, Tick start, uint32_t ticks);
    void follow_activate(uint32_t bank, Tick at);
    void follow_column(uint32_t bank, bool is_write, Tick at);
    void follow_precharge(uint32_t bank, Tick at, uint32_t gap);
    bool data_clock_stopped(uint32_t scope, Tick start) const;

    const DramRules& rules_;
    std::vector<Bank> banks_;
    std::vector<Group> groups_;
    std::vector<Scope> scopes_;
    uint32_t length_[COMMANDS];  // in ticks
    Tick bus_free_[2] = {};  // of row and of column commands; one bus uses the first
};

}  // namespace moecosim

#endif
