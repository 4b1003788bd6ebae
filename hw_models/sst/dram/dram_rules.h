#ifndef MOECOSIM_DRAM_RULES_H
#define MOECOSIM_DRAM_RULES_H

#include <cstdint>
#include <string>

namespace moecosim {

using Tick = uint64_t;
static constexpr Tick NEVER = UINT64_MAX;

// One DRAM channel as its data sheet describes it. Gaps have their JEDEC names (JESD79-4, JESD79-5,
// JESD209-5, JESD235, JESD238) and are in clocks when read, in ticks once `prepare` was called: a tick
// is a clock, or half of one where precharges may start there.
struct DramRules {
    uint32_t pseudo_channels = 1;
    uint32_t ranks = 1;  // or stack IDs
    uint32_t bank_groups = 1;
    uint32_t banks_per_group = 1;
    uint32_t rows = 1;
    uint32_t row_bytes = 0;
    uint32_t access_bytes = 64;  // of one column command
    bool is_rank_scope = true;  // turnarounds, the activate window and refresh are a rank's, else a pseudo-channel's
    uint32_t ticks_per_clock = 1;

    uint32_t command_buses = 1;  // 2: one for rows, one for columns
    double activate_clocks = 1, column_clocks = 1, other_clocks = 1;
    bool has_data_clock = false;  // which stops tWCKPST after a burst, and takes a command to start

    uint32_t burst = 0;
    uint32_t tCL = 0, tCWL = 0, tRCD = 0, tRCD_WR = 0, tRP = 0, tRPab = 0, tRAS = 0, tRC = 0;
    uint32_t tCCD_S = 0, tCCD_L = 0, tCCD_S_WR = 0, tCCD_L_WR = 0, tCCD_R = 0;
    uint32_t tRRD_S = 0, tRRD_L = 0, tFAW = 0, tPPD = 0;
    uint32_t tWR = 0, tRTP = 0, tWTR_S = 0, tWTR_L = 0, tRTW = 0, tRTW_bubble = 2, tBURST_L = 0, tCS = 0, tWCKPST = 0;
    uint32_t tRFC = 0, tREFI = 0, tRFCpb = 0, tREFIpb = 0, tRREFD = 0;

    enum class Refresh { off, all_bank, per_bank } refresh = Refresh::all_bank;
    uint32_t read_queue = 32, write_queue = 32;
    double drain_from = 0.8, drain_to = 0.2;

    // Lengths of commands in ticks.
    uint32_t activate_ticks = 1, column_ticks = 1, other_ticks = 1;

    // From clocks to ticks, gaps not given derived from others. Empty, or what is wrong in one line.
    std::string prepare();

    uint32_t columns() const { return row_bytes / access_bytes; }
    uint32_t banks_per_rank() const { return bank_groups * banks_per_group; }
    uint32_t banks() const { return pseudo_channels * ranks * banks_per_rank(); }
    uint32_t scopes() const { return is_rank_scope ? pseudo_channels * ranks : pseudo_channels; }
    uint32_t banks_per_scope() const { return banks() / scopes(); }
};

}  // namespace moecosim

#endif
