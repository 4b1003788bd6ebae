#include "dram_rules.h"

#include <cmath>
#include <utility>

namespace moecosim {

std::string DramRules::prepare() {
    for (auto [name, value] : {std::pair("pseudo_channels", pseudo_channels), std::pair("ranks", ranks),
                               std::pair("bank_groups", bank_groups), std::pair("banks_per_group", banks_per_group),
                               std::pair("rows", rows), std::pair("row_bytes", row_bytes),
                               std::pair("access_bytes", access_bytes)})
        if (value == 0 || (value & (value - 1)) != 0) return std::string(name) + " must be a power of two";
    if (row_bytes < access_bytes) return "row_bytes must be at least access_bytes";
    for (auto [name, value] :
         {std::pair("tCL", tCL), std::pair("tCWL", tCWL), std::pair("tRCD", tRCD), std::pair("tRP", tRP),
          std::pair("tRAS", tRAS), std::pair("tRC", tRC), std::pair("tCCD_S", tCCD_S), std::pair("burst_clocks", burst)})
        if (value == 0) return std::string(name) + " must be at least 1 clock";
    if (refresh == Refresh::all_bank && (tREFI == 0 || tRFC == 0)) return "all-bank refresh needs tREFI and tRFC";
    if (refresh == Refresh::per_bank && (tREFIpb == 0 || tRFCpb == 0)) return "per-bank refresh needs tREFIpb and tRFCpb";
    if (read_queue == 0 || write_queue == 0) return "queues must have at least 1 entry";

    if (tRCD_WR == 0) tRCD_WR = tRCD;
    if (tRPab == 0) tRPab = tRP;
    if (tCCD_L == 0) tCCD_L = tCCD_S;
    if (tCCD_S_WR == 0) tCCD_S_WR = tCCD_S;
    if (tCCD_L_WR == 0) tCCD_L_WR = tCCD_L;
    if (tBURST_L == 0) tBURST_L = burst;
    if (tRTW == 0) {
        // The write's data follows the read's, with a gap for the bus to turn.
        const uint32_t after = tCL + burst + tRTW_bubble;
        tRTW = after > tCWL ? after - tCWL : 1;
    }
    for (uint32_t* gap :
         {&burst, &tCL, &tCWL, &tRCD, &tRCD_WR, &tRP, &tRPab, &tRAS, &tRC, &tCCD_S, &tCCD_L, &tCCD_S_WR, &tCCD_L_WR,
          &tCCD_R, &tRRD_S, &tRRD_L, &tFAW, &tPPD, &tWR, &tRTP, &tWTR_S, &tWTR_L, &tRTW, &tBURST_L, &tCS, &tWCKPST,
          &tRFC, &tREFI, &tRFCpb, &tREFIpb, &tRREFD})
        *gap *= ticks_per_clock;
    activate_ticks = uint32_t(std::lround(activate_clocks * ticks_per_clock));
    column_ticks = uint32_t(std::lround(column_clocks * ticks_per_clock));
    other_ticks = uint32_t(std::lround(other_clocks * ticks_per_clock));
    if (activate_ticks == 0 || column_ticks == 0 || other_ticks == 0) return "a command takes at least one tick";
    return "";
}

}  // namespace moecosim
