#ifndef MOECOSIM_DRAM_CHANNEL_H
#define MOECOSIM_DRAM_CHANNEL_H

#include <cstdint>
#include <vector>

#include "dram_gaps.h"
#include "dram_rules.h"

namespace moecosim {

// One channel's controller: first ready, first come first served (Rixner et al., ISCA 2000) over a queue
// of reads and one of writes. Of the accesses whose next command can be given first, the oldest's is. A
// row is not closed while an older access waits for it, nor before the access that it was opened for was
// served; that access takes no place in the queue any longer. Reads go first until the write queue fills to `drain_from`, or no read waits; then writes do
// until it is emptied to `drain_to`.
class DramChannel {
public:
    struct Served {
        uint32_t tag;
        bool is_write;
        Tick end;  // of its data
    };

    explicit DramChannel(const DramRules& rules);

    bool has_room(bool is_write) const;
    void enqueue(uint32_t tag, uint32_t bank, uint32_t row, bool is_write, Tick now);
    // When the next command can be given, as things stand; NEVER where there is nothing to do.
    Tick plan(Tick now);
    // Gives what `plan` found, which must be due. True where it served an access.
    bool give(Served& served);
    uint64_t activates() const { return activates_; }

private:
    enum Kind : uint32_t { reads, writes, KINDS };
    enum class Act { command, precharge_for_refresh, refresh };

    struct Entry {
        uint64_t age;
        uint32_t row;
        uint32_t tag;
    };
    struct Bank {
        std::vector<Entry> waiting[KINDS];  // oldest first
        uint32_t hit[KINDS] = {};  // the oldest that the open row has, or the queue's length
        uint64_t owner = 0;  // age of the access that its row was opened for; 0: none that still waits
        Kind owner_kind = reads;
    };
    struct Choice {
        Tick start = NEVER;
        uint64_t age = UINT64_MAX;
        Act act = Act::command;
        DramCommand command = DramCommand::read;
        uint32_t bank = 0;  // or scope
        Kind kind = reads;
        uint32_t index = 0;  // in the bank's queue
    };
    struct Scope {
        Tick due = NEVER;
        uint32_t next_bank = 0;  // of refreshes of single banks
        bool is_pending = false;
    };

    void choose_mode();
    void find_hit(uint32_t bank, Kind kind);
    void consider(uint32_t bank, Kind kind, Tick now);
    void consider_owner(uint32_t bank, Tick now);
    void consider_refresh(uint32_t scope, Tick now);
    void offer(DramCommand command, uint32_t bank, Kind kind, uint32_t index, Tick now);
    void offer(Tick start, uint64_t age, Act act, uint32_t bank);
    bool is_held_by_refresh(uint32_t bank) const;
    uint32_t refresh_first(uint32_t scope) const;
    uint32_t refresh_count() const;
    void catch_up(Tick now);
    void serve(uint32_t bank, Kind kind, uint32_t index);
    void disown(uint32_t bank);

    const DramRules& rules_;
    DramGaps gaps_;
    std::vector<Bank> banks_;
    std::vector<Scope> scopes_;
    std::vector<uint32_t> active_[KINDS];  // banks with something waiting
    std::vector<uint32_t> owned_;  // banks with an owner
    uint32_t owners_[KINDS] = {};  // how many; they have left the queue for the bank
    uint32_t waiting_[KINDS] = {};
    uint64_t ages_ = 0;
    uint64_t activates_ = 0;
    bool is_draining_ = false;
    Tick refresh_gap_ = NEVER;
    uint32_t pending_ = 0;  // scopes that are to be refreshed now
    Choice choice_;
    Tick due_ = NEVER;  // when the next refresh is
    bool is_planned_ = false;  // nothing has come since
};

}  // namespace moecosim

#endif
